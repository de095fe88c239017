"""Which characters the documents' font can draw, and what stands for the others."""

import re
import struct
import unicodedata
from bisect import bisect_right
from functools import cache
from pathlib import Path

FONTS = Path(__file__).resolve().parent / "fonts"
FONT = FONTS / "NotoSansSC-Regular.ttf"
# Variation selectors: they choose among forms of a character, and no form of ours depends on them.
SELECTORS = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
# A longer word is broken anywhere, wherever it stands; narrow columns break shorter ones themselves.
FITS_ANYWHERE = 40
BREAK_HERE = "\u200b"
MICROSOFT_UCS4 = (3, 10)
SEGMENTED_COVERAGE = 12


def printable(text: str) -> str:
    """The text as the font can draw it, on one line.

    A rare character (生僻字) or emoji that the font lacks becomes its code point, `〔U+2A6A5〕`: whoever reads the
    document can still tell which it is, which a blank box does not say. Marks without a form of their own are left out,
    and a very long word may break anywhere.
    """
    if not (text.isascii() and text.isprintable()):
        text = "".join(_drawn(character) for character in unicodedata.normalize("NFC", text))
    return breakable(text, FITS_ANYWHERE)


def breakable(text: str, fits: int) -> str:
    """The text with a place to break behind each letter of a word that has more letters than fit on a line."""
    return re.sub(rf"[!-~]{{{fits + 1},}}", lambda word: BREAK_HERE.join(word[0]), text)


def _drawn(character: str) -> str:
    if " " <= character <= "~":
        return character
    category, code = unicodedata.category(character), ord(character)
    if category in ("Cc", "Zl", "Zp"):
        return " "
    if character == BREAK_HERE:
        return character
    if category == "Cf" or any(first <= code <= last for first, last in SELECTORS):
        return ""
    return character if is_covered(code) else f"〔U+{code:04X}〕"


def is_covered(code: int) -> bool:
    """Whether the font has a glyph for the code point."""
    starts, ends = _coverage()
    place = bisect_right(starts, code) - 1
    return place >= 0 and code <= ends[place]


@cache
def _coverage() -> tuple[list[int], list[int]]:
    """First and last code points of the font's ranges, from its cmap table (OpenType 1.9, "cmap", format 12)."""
    with FONT.open("rb") as file:
        table = _table(file.read(12 + 16 * 64), b"cmap")
        file.seek(table[0])
        cmap = file.read(table[1])
    count = struct.unpack_from(">H", cmap, 2)[0]
    for index in range(count):
        platform, encoding, offset = struct.unpack_from(">HHL", cmap, 4 + 8 * index)
        if (platform, encoding) == MICROSOFT_UCS4 and struct.unpack_from(">H", cmap, offset)[0] == SEGMENTED_COVERAGE:
            groups = struct.unpack_from(">L", cmap, offset + 12)[0]
            ranges = [struct.unpack_from(">LL", cmap, offset + 16 + 12 * number) for number in range(groups)]
            return [first for first, _ in ranges], [last for _, last in ranges]
    raise RuntimeError(f"{FONT.name} has no table of its characters")


def _table(directory: bytes, tag: bytes) -> tuple[int, int]:
    """Offset and length of a table of the font."""
    for index in range(struct.unpack_from(">H", directory, 4)[0]):
        name, _, offset, length = struct.unpack_from(">4sLLL", directory, 12 + 16 * index)
        if name == tag:
            return offset, length
    raise RuntimeError(f"{FONT.name} has no table {tag!r}")
