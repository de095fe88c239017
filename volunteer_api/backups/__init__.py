"""One file that holds a whole deployment, but for its environment: its database and its photos.

It is made beside the running server and goes back into an empty database only, of the same kind. The keys in it are
wrapped by SECRET_KEY, which is not in it.
"""
