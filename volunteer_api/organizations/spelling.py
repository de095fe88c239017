"""What is typed without Chinese characters, and the index ranges that find the names."""

from typing import Any

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.orm import InstrumentedAttribute

# What a spelling is made of, in the order of every collation that this project meets.
LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
LAST = LETTERS[-1]


def is_typed(text: str) -> bool:
    """Whether the text is Latin letters only, so that a spelling is looked for and not a part of a name."""
    return text.isascii() and text.isalpha()


def begins_with(column: InstrumentedAttribute[Any], prefix: str) -> ColumnElement[bool]:
    """That a column of digits and small letters begins so: as a range, which both databases' plain indexes serve.

    They serve LIKE only under collations and settings that no deployment promises.
    """
    stem = prefix.rstrip(LAST)
    if not stem:
        return column >= prefix
    after = stem[:-1] + LETTERS[LETTERS.index(stem[-1]) + 1]
    return and_(column >= prefix, column < after)


def spelled_like(model: Any, text: str) -> ColumnElement[bool]:
    """That the name's initials or its pinyin begin with the text."""
    prefix = text.lower()
    return or_(begins_with(model.initials, prefix), begins_with(model.pinyin, prefix))
