"""Making a backup beside the running server, and restoring one where nothing is."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy.exc import DBAPIError

from volunteer_api.backups import databases
from volunteer_api.backups.archive import DATABASE, BackupRefused, Manifest, unpacked, written
from volunteer_api.config import PROJECT_DIRECTORY
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.logs import logger
from volunteer_api.core.problems import Problem
from volunteer_api.core.settings import settings
from volunteer_api.core.tasks import BACKUP, note_run
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.files.images import MEDIA_TYPE
from volunteer_api.files.queries import is_ours
from volunteer_api.files.stores import store

Report = Callable[[int, int], None]


def back_up(path: Path, report: Report, *, photos: bool = True) -> Manifest:
    """Write everything to a new file; `report` is told how many of the photos are in. In no unit.

    The database comes first: a photo that is deleted before its turn is lost to both, and none is missing that a row
    tells of. Raises BackupRefused; FileStoreUnavailable where the photos can't be read.
    """
    if path.exists():
        raise BackupRefused(f"{path} is there already; a backup takes the place of none.")
    revision = _revision()
    if revision is None:
        raise BackupRefused("The database is empty: there is nothing to keep.")
    manifest = Manifest(made_at=clock.now().isoformat(), database=databases.kind(), revision=revision)
    with written(path, manifest) as archive, _room(path.parent) as folder:
        databases.dump(folder / DATABASE)
        archive.add_database(folder / DATABASE)
        names = list(_photos()) if photos else []
        for number, name in enumerate(names, start=1):
            content = store().get(name)
            if content is not None:
                archive.add_photo(name, content)
            report(number, len(names))
    return manifest


def note_backup() -> None:
    """Let the monitoring know that a backup was made just now. In no unit."""
    try:
        run_unit(lambda: note_run(BACKUP, clock.now()), writes=True)
    except (Problem, DBAPIError) as error:
        # A standby takes backups, and no rows; what was kept is kept.
        logger().warning("backup_not_noted", error=type(error).__name__)


def restore(path: Path, report: Report) -> Manifest:
    """Put a backup back; `report` is told how many of its photos are. In no unit.

    Nothing is written until all of it was read and compared, and the database is filled last: a restore that is broken
    off leaves an empty one, and can be begun again. Raises BackupRefused where the database is not empty or of another
    kind, or the backup is damaged or of a newer release; FileStoreUnavailable where photos can't be kept.
    """
    if not databases.is_empty():
        raise BackupRefused("The database (DATABASE_URL) is not empty: a backup takes the place of nothing.")
    with _room(settings().var_directory) as folder:
        manifest = unpacked(path, folder)
        if manifest.database != databases.kind():
            raise BackupRefused(f"{path} is of {manifest.database}, the database (DATABASE_URL) is {databases.kind()}.")
        if not is_known(manifest.revision):
            raise BackupRefused(
                f"{path} is of another release, whose version {manifest.revision} this one doesn't know."
            )
        photos = [one for one in folder.iterdir() if one.name != DATABASE]
        for number, photo in enumerate(photos, start=1):
            store().put(photo.name, photo.read_bytes(), MEDIA_TYPE)
            report(number, len(photos))
        databases.load(folder / DATABASE)
    return manifest


def is_known(revision: str) -> bool:
    """Whether this release has the migration to it."""
    try:
        return ScriptDirectory(str(PROJECT_DIRECTORY / "migrations")).get_revision(revision) is not None
    except CommandError:
        return False


def _photos() -> Iterator[str]:
    return (name for name, _ in store().listed() if is_ours(name))


@contextmanager
def _room(place: Path) -> Iterator[Path]:
    """A folder for what is on its way, on the disk where it goes: the one that it comes from may be full."""
    with tempfile.TemporaryDirectory(prefix="backup-", dir=place) as name:
        yield Path(name)


def _revision() -> str | None:
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()
