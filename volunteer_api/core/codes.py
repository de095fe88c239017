"""Codes and names as people copy them from a print: one of them, however it was typed."""

import unicodedata


def folded(text: str) -> str:
    """The text without what a typist may vary: width, case and white space. `创可贴（100 片）` is `创可贴(100片)`."""
    return "".join(unicodedata.normalize("NFKC", text).split()).casefold()


def fold(code: str) -> str:
    """The code without what a typist may vary: width (ＡＢ１２), case and white space. `ab 12` is `AB12`."""
    return "".join(unicodedata.normalize("NFKC", code).split()).upper()
