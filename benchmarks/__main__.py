"""`make bench`, or `python -m benchmarks [part ...]`: the figures of all parts, or of those named, in one table.

Each part runs by itself, one after the other, in a process of its own, with sizes that are done in some minutes
together; `--full` takes the sizes of the README. A part that takes longer than its time is ended, and said to be.
"""

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.figures import FILE, Figure, read
from benchmarks.server import ROOT
from volunteer_api.core import clock


@dataclass(frozen=True)
class Part:
    """A module of this package: its environment for a short run, and the seconds that it may take then and in full."""

    name: str
    short: dict[str, str] = field(default_factory=dict)
    seconds: int = 60
    full_seconds: int = 900


PARTS = (
    Part("attendance", {"ATTENDANCE_TAPS": "600"}, seconds=180),
    Part("activities", {"ACTIVITIES": "10000"}, seconds=90),
    Part("crowd", {"ATTENDANCE_TAPS": "1000", "ATTENDANCE_PEOPLE": "0"}, seconds=90),
    Part("stations", {"STATIONS": "10000"}, seconds=90),
    Part("ledger", {"LEDGER_ROWS": "20000"}, seconds=120),
    Part("compliance", seconds=120),
    Part("enumeration", seconds=60),
    Part("sessions", seconds=60),
    Part("footprint", {"FOOTPRINT_REQUESTS": "5000"}, seconds=180),
    Part("metrics", seconds=120),
    Part(
        "rankings",
        {"RANKINGS_RECORDS": "100000", "RANKINGS_SMALL_RECORDS": "10000"},
        seconds=600,
        full_seconds=5400,
    ),
    Part(
        "check_outs",
        {"RANKINGS_RECORDS": "20000", "RANKINGS_SMALL_RECORDS": "5000"},
        seconds=120,
        full_seconds=5400,
    ),
)


def main() -> None:
    """Run the parts, print the table, write the same as JSON under benchmarks/results/."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(part.name for part in PARTS))
    parser.add_argument("--full", action="store_true", help="the sizes of the README; an hour")
    asked = parser.parse_args()
    if unknown := set(asked.parts).difference(part.name for part in PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    table = Table("part", "what", "value", "unit", "size", title="Figures of this machine, as ratios taken in one run")
    rows = []
    for part in PARTS:
        if asked.parts and part.name not in asked.parts:
            continue
        figures, outcome = run(part, full=asked.full)
        for figure in figures:
            table.add_row(part.name, figure.what, f"{figure.value:,.3g}", figure.unit, figure.size)
        if outcome != "done":
            table.add_row(part.name, outcome, "", "", "")
        rows.append({"part": part.name, "outcome": outcome, "figures": [asdict(figure) for figure in figures]})
    Console().print(table)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    target = results / f"{clock.now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}.json"
    target.write_text(json.dumps(rows, indent=2, ensure_ascii=False), encoding="utf-8")
    Console().print(f"written to {target.relative_to(ROOT)}")
    if any(row["outcome"] != "done" for row in rows):
        raise SystemExit(1)


def run(part: Part, *, full: bool) -> tuple[list[Figure], str]:
    """One part's figures, and how it ended."""
    with tempfile.TemporaryDirectory(prefix="volunteer-bench-") as directory:
        noted = Path(directory) / "figures"
        environment = {**os.environ, FILE: str(noted), **({} if full else part.short)}
        seconds = part.full_seconds if full else part.seconds
        process = subprocess.Popen([sys.executable, "-m", f"benchmarks.{part.name}"], cwd=ROOT, env=environment)
        try:
            code = process.wait(seconds)
            outcome = "done" if code == 0 else f"failed with {code}"
        except subprocess.TimeoutExpired:
            # As by Ctrl-C: its servers end with it.
            process.send_signal(signal.SIGINT)
            process.wait(60)
            outcome = f"ended after {seconds} s"
        return read(noted), outcome


if __name__ == "__main__":
    main()
