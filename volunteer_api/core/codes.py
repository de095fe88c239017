"""Codes as people copy them from a print: one of them, however it was typed."""

import unicodedata


def fold(code: str) -> str:
    """The code without what a typist may vary: width (ＡＢ１２), case and white space. `ab 12` is `AB12`."""
    return "".join(unicodedata.normalize("NFKC", code).split()).upper()
