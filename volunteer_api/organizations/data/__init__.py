"""Data files that the package brings along; read them through importlib.resources."""
