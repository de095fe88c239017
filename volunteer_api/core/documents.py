"""Documents that people print: a feature's Typst template and its data make a PDF.

The template is a file of the package. What people typed reaches it as data only, never as a part of the markup, so that
`#` or `$` in a name is a character like any other. The font is ours and is embedded as far as it is used, so that a
document looks the same on every machine.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import segno

from volunteer_api.core.glyphs import FONTS, printable
from volunteer_api.core.problems import Problem
from volunteer_api.core.turns import in_turn

PAGE = Path(__file__).resolve().parent / "page.typ"
PHOTOGRAPH = PAGE.with_name("photograph.typ")
# Not imported: the library alone is 84 MB, and only the child needs it.
TYPESETTER = PAGE.with_name("typesetter.py")
TEMPLATE_FAILED = 3
# One at a time in a worker process: a table of 2,000 rows takes a core for a second and a half, and 330 MB.
PLACES = threading.BoundedSemaphore(1)
PATIENCE_SECONDS = 3.0
MEMORY_BYTES = 1024 * 1024 * 1024
CPU_SECONDS = 15
WALL_SECONDS = 25
# The parent's environment has secrets, and the machine's cores have other work.
ENVIRONMENT = {"RAYON_NUM_THREADS": "1"}
# What is scanned hangs behind scratched foil in the sun, or is a copy of a copy: a quarter of it may be lost
# (ISO/IEC 18004, level Q).
CORRECTION = "q"
QUIET_MODULES = 4


class DocumentTooLarge(Problem):
    """Setting it took more memory or time than a document may."""

    status = 422
    title = "This is too much for one PDF; ask for less, or for the workbook."


class Picture(str):
    """An SVG picture among the data: nothing that is set as text."""

    __slots__ = ()


class Address(str):
    """An address of ours among the data: it is copied and followed, so that no letter is put between its own."""

    __slots__ = ()


def typeset(template: Path, data: Mapping[str, Any], *, made_at: datetime, form: str = "pdf") -> bytes:
    """The PDF that the template makes of the data, which it finds under `data` of page.typ; or a PNG of its one page.

    Slow, and needs no database: call it outside of a unit (a Download may hold a function). The same data and moment
    give the same bytes. Raises DocumentTooLarge (422), Busy (503).
    """
    order = {
        "form": form,
        "files": {"main.typ": template.read_text(encoding="utf-8"), "page.typ": PAGE.read_text(encoding="utf-8")},
        "data": drawable(data),
        "fonts": str(FONTS),
        "timestamp": int(made_at.timestamp()),
        "memory_bytes": MEMORY_BYTES,
        "cpu_seconds": CPU_SECONDS,
        "template_failed": TEMPLATE_FAILED,
    }
    with in_turn(PLACES, PATIENCE_SECONDS):
        return _run(json.dumps(order).encode())


def photograph(picture: Picture, *, made_at: datetime) -> bytes:
    """An SVG picture as a PNG of twice its size, in the documents' font. Raises as `typeset`."""
    return typeset(PHOTOGRAPH, {"picture": picture}, made_at=made_at, form="png")


def qr_code(text: str) -> Picture:
    """The QR code of a text as SVG, its quiet zone included."""
    drawn = BytesIO()
    code = segno.make(text, error=CORRECTION, micro=False)
    code.save(drawn, kind="svg", border=QUIET_MODULES, xmldecl=False, omitsize=True)
    return Picture(drawn.getvalue().decode())


def drawable(value: Any) -> Any:
    """JSON whose texts have only characters that the font can draw; the names of members stay."""
    if isinstance(value, Picture | Address):
        return value
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {name: drawable(inner) for name, inner in value.items()}
    if isinstance(value, Sequence):
        return [drawable(inner) for inner in value]
    return value


def _run(order: bytes) -> bytes:
    # -I: no variable and no folder of the caller's decides what it imports.
    command = [sys.executable, "-I", str(TYPESETTER)]
    try:
        done = subprocess.run(  # noqa: S603  # our own script, no shell
            command, input=order, capture_output=True, timeout=WALL_SECONDS, env=ENVIRONMENT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DocumentTooLarge() from error
    if done.returncode == 0:
        return done.stdout
    if done.returncode < 0:
        # Ended by a signal: its bound on time, or out of memory, which a Rust library ends with an abort.
        raise DocumentTooLarge()
    what = "the template failed" if done.returncode == TEMPLATE_FAILED else "the typesetter failed"
    raise RuntimeError(f"{what}: {done.stderr.decode(errors='replace')[-2000:]}")
