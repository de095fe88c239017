"""README tells the truth: its commands are run as they stand, against a server started as README says."""

import os
import re
import subprocess
from pathlib import Path

from tests.servers import RunningServer

README = Path(__file__).resolve().parent.parent / "README.md"


def test_the_main_job_by_curl(running_server: RunningServer) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 7
    script = "set -euo pipefail\n" + "\n".join(blocks)
    run = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "BASE": running_server.url, "LOG": str(running_server.log)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout + run.stderr
