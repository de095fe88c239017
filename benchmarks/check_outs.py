"""`python -m benchmarks.check_outs`: a check-out among 10,000,000 records of the ledger, as a ratio to 100,000.

The districts are those of `benchmarks.rankings`, which RANKINGS_LARGE_URL and RANKINGS_SMALL_URL may name. In turns a
hundred people check in, and out again over eight connections. Each run adds people of its own.
"""

import asyncio
import os
import random
import statistics
from contextlib import ExitStack

from benchmarks.arrivals import come
from benchmarks.attendance import check_in, prepare, tap
from benchmarks.figures import note
from benchmarks.load import send
from benchmarks.rankings import SIZES, databases
from benchmarks.server import gunicorn

TURNS = 6
TAPS = 100
SECONDS = 2.0
CONNECTIONS = 8


def main() -> None:
    """Prepare both, measure in turns, print the ratio."""
    os.environ.update(LIMITS="0", LOG_LEVEL="WARNING")
    with ExitStack() as stack:
        phones = f"+8615{random.randrange(100_000):05d}"
        found = {}
        for name, url in stack.enter_context(databases()).items():
            os.environ["DATABASE_URL"] = url
            shift_id, tokens = prepare(phones)
            found[name] = (stack.enter_context(gunicorn()), shift_id, tokens)
        times: dict[str, list[float]] = {name: [] for name in found}
        for turn in range(TURNS):
            for name, (port, shift_id, tokens) in found.items():
                those = tokens[turn * TAPS : (turn + 1) * TAPS]
                arrived, _ = asyncio.run(come(port, [check_in(shift_id, token) for token in those], SECONDS))
                ids = [body["id"] for _, body, _ in arrived]
                out = [
                    tap(f"/api/v1/attendances/{one}/check-out", token, {})
                    for one, token in zip(ids, those, strict=True)
                ]
                outcome = send(port, out, CONNECTIONS)
                assert set(outcome.statuses) == {200}, outcome.statuses
                # The first turn fills the caches.
                times[name] += outcome.latencies if turn else []
    small, large = (statistics.median(times[name]) for name in ("small", "large"))
    size = f"{SIZES['large']:,} records against {SIZES['small']:,}; {small * 1000:.0f} and {large * 1000:.0f} ms"
    note("a check-out, p50", large / small, "× small", size=size)


if __name__ == "__main__":
    main()
