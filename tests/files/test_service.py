"""Putting photos to use, forgetting them, and the two sweeps."""

import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Column, Select, Table, Uuid, select
from sqlalchemy.orm import registry

from tests.factories import make_volunteer
from tests.files.factories import make_file
from volunteer_api.core import clock, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.core.tasks import REGISTRY, run_task
from volunteer_api.files import queries, service, uses
from volunteer_api.files.handlers import export_files
from volunteer_api.files.models import StoredFile


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> set[UUID]:
    """The only use of photos: whatever the test puts into this set."""
    wanted: set[UUID] = set()
    monkeypatch.setattr(uses, "_uses", {"tests": lambda: select(StoredFile.id).where(StoredFile.id.in_(wanted))})
    return wanted


def principal_of(volunteer: Any) -> Principal:
    return Principal(volunteer_id=volunteer.id, session_id=ids.new_id())


def kept(unit: Any) -> set[UUID]:
    return set(unit(lambda: db.session.scalars(select(StoredFile.id)).all()))


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()} - {service.OWNER}


def age(path: Path, **how_long: float) -> None:
    moment = (clock.now() - timedelta(**how_long)).timestamp()
    os.utime(path, (moment, moment))


def path_in(folder: Path, name: str) -> Path:
    return folder / name[:2] / name[2:4] / name


def claim(app: Any) -> None:
    """Let the store be this deployment's, as its first run does."""
    run_task(app, "files.delete_orphans")


def put_old(folder: Path, name: str) -> None:
    path_in(folder, name).parent.mkdir(parents=True, exist_ok=True)
    path_in(folder, name).write_bytes(b"x")
    age(path_in(folder, name), days=2)


def test_only_the_sender_puts_a_photo_to_use(unit: Any) -> None:
    owner, other = make_volunteer(), make_volunteer()
    first, second = make_file(owner.id), make_file(owner.id)
    assert unit(lambda: service.load_own(principal_of(owner), first.id)).id == first.id
    found = unit(lambda: service.load_own_files(principal_of(owner), [second.id, first.id, second.id]))
    assert [one.id for one in found] == [second.id, first.id, second.id]
    assert unit(lambda: service.load_own_files(principal_of(owner), [])) == []
    for who, file_ids in ((other, [first.id]), (owner, [ids.new_id()]), (other, [first.id, second.id])):
        with pytest.raises(NotFound):
            unit(lambda who=who, file_ids=file_ids: service.load_own_files(principal_of(who), file_ids))


def test_views_come_in_one_statement(unit: Any, statements: Any) -> None:
    owner = make_volunteer()
    stored = [make_file(owner.id) for _ in range(3)]
    with statements() as seen:
        views = unit(lambda: queries.views_of([one.id for one in stored] + [ids.new_id()]))
    assert len(seen) == 1
    assert {one.id: one.url for one in views.values()} == {
        one.id: f"http://localhost/api/v1/files/{one.name}" for one in stored
    }
    assert unit(lambda: queries.views_of([])) == {}


def test_a_photo_that_nothing_uses_lives_for_a_week(
    app: Any, unit: Any, used: set[UUID], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = make_volunteer()
    shown, forgotten = make_file(owner.id), make_file(owner.id)
    used.add(shown.id)
    start = clock.now()
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(days=6, hours=23))
    unit(service.delete_unused)
    assert kept(unit) == {shown.id, forgotten.id}
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(days=7, hours=1))
    run_task(app, "files.delete_unused")
    assert kept(unit) == {shown.id}
    assert names_in(folder) == set(shown.names)


def test_the_sweep_goes_on_until_nothing_is_left(
    app: Any, unit: Any, used: set[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "BATCH", 2)
    owner = make_volunteer()
    with clock.at(clock.now() - timedelta(days=8)):
        shown, *_ = [make_file(owner.id) for _ in range(6)]
    used.add(shown.id)
    run_task(app, "files.delete_unused")
    assert kept(unit) == {shown.id}


def test_putting_to_use_keeps_the_sweep_away(unit: Any, used: set[UUID], monkeypatch: pytest.MonkeyPatch) -> None:
    owner = make_volunteer()
    stored = make_file(owner.id)
    late = clock.now() + timedelta(days=30)
    monkeypatch.setattr(clock, "now", lambda: late)
    unit(lambda: service.load_own(principal_of(owner), stored.id))
    unit(service.delete_unused)
    assert kept(unit) == {stored.id}


def test_a_use_with_nulls_spares_no_photo(unit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def ids_and_nulls() -> Select[UUID | None]:
        return select(StoredFile.owner_id).where(StoredFile.owner_id.is_(None))

    monkeypatch.setattr(uses, "_uses", {"nulls": ids_and_nulls})
    unit(lambda: setattr(make_file(make_volunteer().id), "owner_id", None))
    late = clock.now() + timedelta(days=30)
    monkeypatch.setattr(clock, "now", lambda: late)
    unit(service.delete_unused)
    assert kept(unit) == set()


def test_without_any_registered_use_nothing_is_deleted(unit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uses, "_uses", {})
    stored = make_file(make_volunteer().id)
    late = clock.now() + timedelta(days=30)
    monkeypatch.setattr(clock, "now", lambda: late)
    unit(service.delete_unused)
    assert kept(unit) == {stored.id}


def test_bytes_without_a_row_go_after_a_day(app: Any, unit: Any, folder: Path) -> None:
    stored = make_file(make_volunteer().id)
    orphan, young, part = "ab" * 16 + ".jpg", "cd" * 16 + ".jpg", "ef" * 16 + ".jpg.00112233.part"
    thumbnail = "ab" * 16 + "-160.jpg"
    for name in (orphan, young, part, thumbnail):
        path_in(folder, name).parent.mkdir(parents=True, exist_ok=True)
        path_in(folder, name).write_bytes(b"x")
    for name in (*stored.names, orphan, thumbnail, part):
        age(path_in(folder, name), hours=25)
    age(path_in(folder, young), hours=23)
    claim(app)
    run_task(app, "files.delete_orphans")
    assert names_in(folder) == {*stored.names, young}
    assert not REGISTRY["files.delete_orphans"].unit


def test_the_sweep_spares_what_is_not_made_like_ours(app: Any, unit: Any, folder: Path) -> None:
    for name in ("report.pdf", "ab" * 16 + ".png", "notes.jpg.part"):
        path_in(folder, name).parent.mkdir(parents=True, exist_ok=True)
        path_in(folder, name).write_bytes(b"x")
        age(path_in(folder, name), days=2)
    claim(app)
    run_task(app, "files.delete_orphans")
    assert len(names_in(folder)) == 3


def test_the_sweep_of_orphans_goes_in_batches(
    app: Any, unit: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "BATCH", 2)
    stored = make_file(make_volunteer().id)
    for number in range(7):
        name = f"{number:032x}.jpg"
        path_in(folder, name).parent.mkdir(parents=True, exist_ok=True)
        path_in(folder, name).write_bytes(b"x")
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        age(path, days=2)
    claim(app)
    run_task(app, "files.delete_orphans")
    assert names_in(folder) == set(stored.names)


def test_the_run_that_claims_a_store_deletes_nothing(app: Any, unit: Any, folder: Path) -> None:
    """Of two that claim it at the same moment each would read its own name, and sweep."""
    stored = make_file(make_volunteer().id)
    put_old(folder, orphan := "ab" * 16 + ".jpg")
    run_task(app, "files.delete_orphans")
    assert path_in(folder, service.OWNER).exists()
    assert names_in(folder) == {*stored.names, orphan}
    run_task(app, "files.delete_orphans")
    assert names_in(folder) == set(stored.names)


def test_a_store_of_photos_that_nobody_here_knows_is_not_claimed(app: Any, unit: Any, folder: Path) -> None:
    put_old(folder, strangers := "ab" * 16 + ".jpg")
    for _ in range(2):
        run_task(app, "files.delete_orphans")
    assert names_in(folder) == {strangers}
    assert not path_in(folder, service.OWNER).exists()


def test_an_empty_store_has_no_orphans(app: Any, unit: Any) -> None:
    with app.app_context():
        service.delete_orphans()


def test_an_erased_persons_photos_go(unit: Any, used: set[UUID], folder: Path) -> None:
    owner, other = make_volunteer(), make_volunteer()
    portrait, shown, strangers = make_file(owner.id), make_file(owner.id), make_file(other.id)
    # The photo of an activity belongs to the organization's record by now.
    used.add(shown.id)
    unit(lambda: service.delete_files_of(owner.id))
    assert kept(unit) == {shown.id, strangers.id}
    assert unit(lambda: db.session.get_one(StoredFile, shown.id)).owner_id is None
    assert names_in(folder) == {*shown.names, *strangers.names}
    assert portrait.id not in kept(unit)


def test_an_erasure_that_is_undone_deletes_no_bytes(unit: Any, used: set[UUID], folder: Path) -> None:
    stored = make_file(make_volunteer().id)

    def erase_then_fail() -> None:
        service.delete_files_of(stored.owner_id)
        raise NotFound()

    with pytest.raises(NotFound):
        unit(erase_then_fail)
    assert kept(unit) == {stored.id}
    assert names_in(folder) == set(stored.names)


def test_the_export_names_a_persons_photos(unit: Any) -> None:
    owner = make_volunteer()
    stored = make_file(owner.id)
    make_file(make_volunteer().id)
    (row,) = unit(lambda: export_files(owner.id))
    assert row["id"] == stored.id
    assert row["url"].endswith(stored.name)


@pytest.fixture
def album(postgresql_app: Any) -> Iterator[Table]:
    """A table of another feature that shows photos."""
    table = Table("test_album", registry().metadata, Column("file_id", Uuid))
    with postgresql_app.app_context():
        table.create(db.engine, checkfirst=True)
    yield table
    with postgresql_app.app_context():
        table.drop(db.engine)


def test_the_sweep_never_takes_a_photo_that_is_just_put_to_use(
    postgresql_unit: Any, album: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uses, "_uses", {"album": lambda: select(album.c.file_id)})
    owner = make_volunteer()
    stored = make_file(owner.id)
    late = clock.now() + timedelta(days=30)
    monkeypatch.setattr(clock, "now", lambda: late)
    sweep = threading.Thread(target=lambda: postgresql_unit(service.delete_unused))

    def show() -> None:
        service.load_own(principal_of(owner), stored.id)
        sweep.start()
        # The sweep has found the photo unused by now, and waits for its row.
        sweep.join(timeout=0.7)
        db.session.execute(album.insert().values(file_id=stored.id))

    postgresql_unit(show)
    sweep.join(timeout=30)
    assert kept(postgresql_unit) == {stored.id}


def test_a_photo_that_the_sweep_takes_first_is_not_there(
    postgresql_unit: Any, album: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uses, "_uses", {"album": lambda: select(album.c.file_id)})
    owner = make_volunteer()
    stored = make_file(owner.id)
    late = clock.now() + timedelta(days=30)
    monkeypatch.setattr(clock, "now", lambda: late)
    outcomes: list[Any] = []

    def show() -> None:
        try:
            outcomes.append(postgresql_unit(lambda: service.load_own(principal_of(owner), stored.id)))
        except NotFound as problem:
            outcomes.append(problem.code)

    showing = threading.Thread(target=show)

    def sweep() -> None:
        service.delete_unused()
        showing.start()
        showing.join(timeout=0.5)

    postgresql_unit(sweep)
    showing.join(timeout=30)
    assert outcomes == ["not_found"]
