"""The folder of what a server's processes count: each sums up there, and none is stopped by it."""

import os
import resource
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from volunteer_api.config import PROJECT_DIRECTORY
from volunteer_api.core import metrics, metrics_folder
from volunteer_api.core.processes import FORKED

ROUTE = {"route": "/forked", "method": "GET"}


@pytest.fixture(autouse=True)
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where an operator wants the folders."""
    monkeypatch.setenv(metrics_folder.VARIABLE, str(tmp_path))
    yield tmp_path / "volunteer-api-metrics"
    metrics_folder.close_folder()


def forked(work: Callable[[], None]) -> int | None:
    """Do some work in a process of its own; returns how that ended."""
    process = FORKED.Process(target=work)
    process.start()
    process.join(20)
    return process.exitcode


def summed(name: str, **labels: str) -> float | None:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(metrics_folder.folder()))  # type: ignore[no-untyped-call]
    return registry.get_sample_value(name, labels)


def count() -> None:
    for _ in range(5):
        metrics.count_answer(*ROUTE.values(), 200, 0.1)
    metrics.RERUNS.labels("Forked").inc()
    metrics.CONNECTIONS.labels("forked").set(1)


@pytest.mark.either_database
def test_processes_count_together_and_one_that_takes_anothers_place_goes_on(tmp_path: Path) -> None:
    count()  # what the parent counts is its own
    metrics_folder.open_folder(tmp_path, 8000)

    def work(name: str) -> None:
        metrics.share_as(name)
        assert metrics.is_shared()
        count()

    for name in ("web1", "web2", "worker", "web1"):
        assert forked(lambda name=name: work(name)) == 0  # type: ignore[misc]
    assert summed("volunteer_requests_total", status="2xx", **ROUTE) == 20
    assert summed("volunteer_request_seconds_count", **ROUTE) == 20
    assert summed("volunteer_unit_reruns_total", error="Forked") == 4
    assert summed("volunteer_database_connections", database="forked") == 3
    metrics_folder.forget_process("web2")
    assert summed("volunteer_database_connections", database="forked") == 2
    path = metrics_folder.folder()
    assert path is not None
    for file in path.iterdir():
        # Nothing is left to be set aside while a request waits: no holes, and it never grew.
        assert file.stat().st_size == metrics_folder.BYTES[file.name.rpartition("_")[0]]
        assert file.stat().st_blocks * 512 >= file.stat().st_size


@pytest.mark.either_database
def test_without_room_each_process_counts_for_itself(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    metrics_folder.open_folder(tmp_path, 8000)

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
        before = metrics.REGISTRY.get_sample_value("volunteer_unit_reruns_total", {"error": "Forked"}) or 0
        metrics.share_as("web1")
        assert not metrics.is_shared()
        count()
        assert metrics.REGISTRY.get_sample_value("volunteer_unit_reruns_total", {"error": "Forked"}) == before + 1

    assert forked(work) == 0
    assert "web1 counts for itself (File too large)" in capfd.readouterr().err
    path = metrics_folder.folder()
    assert path is not None
    assert [file.name for file in path.iterdir()] == ["counter_web1.db"]
    assert summed("volunteer_unit_reruns_total", error="Forked") is None


@pytest.mark.either_database
def test_a_folder_that_cannot_be_made_stops_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(metrics_folder.VARIABLE, str(tmp_path / "file"))
    metrics_folder.open_folder(tmp_path, 8000)
    assert metrics_folder.folder() is None
    assert "volunteer-api: no folder for metrics" in capfd.readouterr().err
    metrics.share_as("web1")
    assert not metrics.is_shared()


@pytest.mark.either_database
def test_two_servers_share_none_and_what_a_dead_one_left_goes(tmp_path: Path, parent: Path) -> None:
    metrics_folder.open_folder(tmp_path, 8000)
    mine = metrics_folder.folder()

    def other_server() -> None:
        metrics_folder._open.clear()
        metrics_folder.open_folder(tmp_path, 8000)
        assert metrics_folder.begin_files("web1")
        os._exit(7)  # killed: it tidies nothing up

    assert forked(other_server) == 7
    left = [path for path in parent.iterdir() if path != mine]
    assert len(left) == 1
    assert (left[0] / "counter_web1.db").exists()
    assert forked(other_server) == 7
    now = list(parent.iterdir())
    assert mine in now
    assert left[0] not in now
    assert len(now) == 2


@pytest.mark.either_database
def test_to_look_at_the_configuration_touches_no_folder(tmp_path: Path, parent: Path) -> None:
    metrics_folder.open_folder(tmp_path, 8000)
    assert metrics_folder.begin_files("web1")
    before = sorted(parent.rglob("*"))

    def look() -> None:
        metrics_folder._open.clear()
        runpy.run_path(str(PROJECT_DIRECTORY / "gunicorn.conf.py"))
        assert metrics_folder.folder() is None

    assert forked(look) == 0
    assert sorted(parent.rglob("*")) == before
