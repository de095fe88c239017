"""What stands on the pages of a PDF that Typst made: its fonts, and its texts by the font's own table."""

import re
import zlib
from collections.abc import Iterator

STREAM = re.compile(rb"/Length \d+.*?>>\s*stream\r?\n(.*?)\r?\n?endstream", re.S)
PAIR = re.compile(rb"<([0-9A-Fa-f]{4})>\s*<([0-9A-Fa-f]+)>\s*\n")
HEX_STRING = re.compile(rb"<([0-9A-Fa-f]+)>")
NAMED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def fonts_of(pdf: bytes) -> list[str]:
    """The names of the fonts, each embedded as a subset, or this fails."""
    names = re.findall(rb"/FontName ?/([^/\s<>]+)", pdf)
    assert len(names) == len(re.findall(rb"/FontFile2 ", pdf))
    assert all(re.fullmatch(rb"[A-Z]{6}\+.+", name) for name in names)
    return [name.decode().partition("+")[2] for name in names]


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type ?/Page\b", pdf))


def texts_of(pdf: bytes) -> list[str]:
    """The texts in the order of drawing, a run of one style after another."""
    streams = [_unpacked(match.group(1)) for match in STREAM.finditer(pdf)]
    table: dict[bytes, str] = {}
    for stream in streams:
        if b"begincmap" in stream:
            for code, text in PAIR.findall(stream):
                table[bytes.fromhex(code.decode())] = bytes.fromhex(text.decode()).decode("utf-16-be")
    return [
        "".join(table.get(shown[place : place + 2], "\ufffd") for place in range(0, len(shown), 2))
        for stream in streams
        if b" Tf " in stream
        for shown in _shown(stream)
    ]


def text_of(pdf: bytes) -> str:
    """All texts as one, without spaces and breaking points."""
    return "".join("".join(texts_of(pdf)).replace("\u200b", "").split())


def _unpacked(stream: bytes) -> bytes:
    try:
        # Not `decompress`: a checksum that ends like a line loses that byte to the pattern above.
        return zlib.decompressobj().decompress(stream)
    except zlib.error:
        return stream


def _shown(stream: bytes) -> Iterator[bytes]:
    """What each Tj shows, one string, and each TJ, an array of them with numbers between (PDF 1.7, 9.4.3)."""
    held, place = b"", 0
    while place < len(stream):
        if stream[place] == ord("("):
            literal, place = _literal(stream, place + 1)
            held += literal
        elif (found := HEX_STRING.match(stream, place)) is not None:
            held, place = held + bytes.fromhex(found[1].decode()), found.end()
        elif stream[place : place + 2] in (b"Tj", b"TJ"):
            yield held
            held, place = b"", place + 2
        else:
            place += 1


def _literal(stream: bytes, place: int) -> tuple[bytes, int]:
    """A literal string from behind its parenthesis, and where it ends: pairs of parentheses inside need no escape."""
    found, depth = bytearray(), 1
    while True:
        byte = stream[place : place + 1]
        if byte == b"\\":
            octal = re.compile(rb"[0-7]{1,3}").match(stream, place + 1)
            if octal is not None:
                found.append(int(octal[0], 8))
                place = octal.end()
            else:
                found += NAMED.get(stream[place + 1 : place + 2], stream[place + 1 : place + 2])
                place += 2
            continue
        depth += (byte == b"(") - (byte == b")")
        place += 1
        if depth == 0:
            return bytes(found), place
        found += byte
