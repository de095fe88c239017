"""What stands on the pages of a PDF that Typst made: its fonts, and its texts by the font's own table."""

import re
import zlib

STREAM = re.compile(rb"/Length \d+.*?>>\s*stream\r?\n(.*?)\r?\n?endstream", re.S)
PAIR = re.compile(rb"<([0-9A-Fa-f]{4})>\s*<([0-9A-Fa-f]+)>\s*\n")
# Tj shows one literal string, TJ an array of them and, between them, numbers.
SHOWN = re.compile(rb"((?:\((?:[^()\\]|\\.)*\)|[^\[\]()])*)(?:\]TJ|\bTj|(?<=\))Tj)", re.S)
LITERAL = re.compile(rb"\(((?:[^()\\]|\\.)*)\)", re.S)
ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.S)
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
        "".join(_decoded(literal, table) for literal in LITERAL.findall(shown))
        for stream in streams
        if b" Tf " in stream
        for shown in SHOWN.findall(stream)
    ]


def text_of(pdf: bytes) -> str:
    """All texts as one, without spaces and breaking points."""
    return "".join("".join(texts_of(pdf)).replace("\u200b", "").split())


def _unpacked(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return stream


def _decoded(literal: bytes, table: dict[bytes, str]) -> str:
    raw = ESCAPE.sub(
        lambda match: bytes([int(match[1], 8)]) if match[1].isdigit() else NAMED.get(match[1], match[1]), literal
    )
    return "".join(table.get(raw[place : place + 2], "\ufffd") for place in range(0, len(raw), 2))
