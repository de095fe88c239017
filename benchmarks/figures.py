"""Figures: each part prints its own, and `python -m benchmarks` gathers those of all parts in one table."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "BENCH_FIGURES"


@dataclass(frozen=True)
class Figure:
    """What was measured, on what size of data or crowd, and the value in its unit ("× token only", "ms")."""

    what: str
    size: str
    value: float
    unit: str


def note(what: str, value: float, unit: str, *, size: str) -> None:
    """Print a figure, and hand it to whoever runs all parts."""
    figure = Figure(what, size, round(value, 4), unit)
    print(f"{what}: {value:,.3g} {unit} ({size})", flush=True)
    if os.environ.get(FILE):
        with Path(os.environ[FILE]).open("a", encoding="utf-8") as target:
            target.write(json.dumps(asdict(figure), ensure_ascii=False) + "\n")


def read(path: Path) -> list[Figure]:
    """The figures that a part noted in a file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [Figure(**json.loads(line)) for line in lines]
