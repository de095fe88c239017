"""Photos that people send: judged, made anew from their pixels, kept in a folder or a bucket."""
