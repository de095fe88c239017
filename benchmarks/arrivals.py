"""A crowd: everybody comes at their own moment, on a connection of their own, whether the server keeps up or not."""

import asyncio
import json
import time
from typing import Any

Answer = tuple[int, dict[str, Any], float]
"""Status, JSON, and the seconds from the moment at which the person came."""


async def come(port: int, requests: list[bytes], within_seconds: float) -> tuple[list[Answer], float]:
    """The answers (status, JSON, seconds) of requests that begin evenly over the time, and how long all of it took."""
    begun = time.perf_counter()
    gap = within_seconds / max(len(requests), 1)
    found = await asyncio.gather(
        *(_one(port, request, begun + number * gap) for number, request in enumerate(requests))
    )
    return list(found), time.perf_counter() - begun


async def _one(port: int, request: bytes, due: float) -> Answer:
    await asyncio.sleep(max(0.0, due - time.perf_counter()))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    body = await reader.readexactly(length)
    seconds = time.perf_counter() - due
    writer.close()
    return int(head[9:12]), json.loads(body), seconds


def percentile(answers: list[Answer], share: float) -> float:
    """The seconds within which `share` of the answers came."""
    ordered = sorted(seconds for _, _, seconds in answers)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
