"""A lean HTTP/1.1 load generator: keep-alive connections, one request in flight on each, bounded in count and time."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

# What a ratio is of: a route that only checks what a token says, and one that lets in whoever is signed in.
YARDSTICKS = {"token only": "/token-only", "signed in only": "/api/v1/signed-in-only"}


@dataclass(frozen=True)
class Outcome:
    """What a run of requests measured: answers by status, and seconds from first to last."""

    statuses: dict[int, int]
    seconds: float
    latencies: list[float]

    @property
    def per_second(self) -> float:
        return sum(self.statuses.values()) / self.seconds

    def percentile(self, share: float) -> float:
        """The latency in milliseconds under which `share` of the answers came."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


def request_bytes(method: str, path: str, token: str, body: bytes = b"", key: str = "") -> bytes:
    """One request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    if key:
        lines.append(f"Idempotency-Key: {key}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def send(port: int, requests: list[bytes], connections: int = 16, limit_seconds: float = 60) -> Outcome:
    """Send every request once over `connections` connections and wait for the answers, at most `limit_seconds`."""
    return asyncio.run(asyncio.wait_for(_send(port, requests, connections), limit_seconds))


async def _send(port: int, requests: list[bytes], connections: int) -> Outcome:
    statuses: dict[int, int] = {}
    latencies: list[float] = []
    queue = iter(requests)
    begun = time.perf_counter()
    await asyncio.gather(*(_work(port, queue, statuses, latencies) for _ in range(connections)))
    return Outcome(statuses, time.perf_counter() - begun, latencies)


async def _work(port: int, queue: Iterator[bytes], statuses: dict[int, int], latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in queue:
        begun = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        # An answer without a body, such as 304, need not say its length.
        said = head.lower().partition(b"content-length:")[2]
        length = int(said.split(b"\r\n", 1)[0] or 0)
        await reader.readexactly(length)
        latencies.append(time.perf_counter() - begun)
        statuses[status] = statuses.get(status, 0) + 1
        if b"connection: close" in head.lower():
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
