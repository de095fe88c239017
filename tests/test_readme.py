"""README tells the truth: its commands are run as they stand, against a server started as README says."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from volunteer_api.config import PROJECT_DIRECTORY

README = PROJECT_DIRECTORY / "README.md"
PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class DemoServer:
    """Where the server with the demo district answers, and its log."""

    url: str
    log: Path


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def demo_server(tmp_path: Path) -> Iterator[DemoServer]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "volunteer_api.cli", "serve", "--demo"],
            cwd=PROJECT_DIRECTORY,
            env={**os.environ, "VAR_DIR": str(tmp_path), "PORT": str(port), "PYTHONUNBUFFERED": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not answers(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield DemoServer(f"http://127.0.0.1:{port}", log)
    finally:
        process.terminate()
        process.wait(30)


def test_the_main_job_by_curl(demo_server: DemoServer) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 7
    run = subprocess.run(
        ["bash", "-c", "set -euo pipefail\n" + "\n".join(blocks)],
        cwd=demo_server.log.parent,
        env={**os.environ, "BASE": demo_server.url, "LOG": str(demo_server.log)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "confirmed" in run.stdout
    assert "\n45\n" in run.stdout
    assert "\nvalid\n" in run.stdout
    assert (demo_server.log.parent / "certificate.pdf").read_bytes().startswith(b"%PDF-")
    ledger = json.loads(run.stdout.strip().splitlines()[-1])["items"]
    assert all(row["opening"] + row["incoming"] - row["outgoing"] == row["closing"] for row in ledger)
    assert any(row["item"]["name"] == "雨伞" and row["incoming"] >= 10 and row["outgoing"] >= 2 for row in ledger)
