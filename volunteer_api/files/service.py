"""Photos: kept for who sent them, shown to who knows their address, put to use by other features."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import islice
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select, update

from volunteer_api.core import clock, keyring
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.downloads import Download
from volunteer_api.core.logs import logger
from volunteer_api.core.problems import NotFound
from volunteer_api.core.settings import settings
from volunteer_api.core.unit_of_work import after_commit, run_unit
from volunteer_api.files import queries, uses
from volunteer_api.files.intake import KeptPhoto
from volunteer_api.files.models import StoredFile
from volunteer_api.files.queries import FileView, FoundFile
from volunteer_api.files.stores import UNFINISHED, store

KEPT_SECONDS = 365 * 86400
ORPHAN_DAYS = 1
BATCH = 500
# No photo is called so, and no sweep takes it for one.
OWNER = "owner"


def store_file(*, photo: KeptPhoto, owner_id: UUID) -> StoredFile:
    """Give a photo that lies in the store its row. Until something uses it, it lives for a week."""
    stored = StoredFile(
        owner_id=owner_id,
        name=photo.name,
        media_type=photo.media_type,
        width=photo.width,
        height=photo.height,
        byte_size=photo.byte_size,
        sha256=photo.sha256,
        thumbnails=photo.thumbnails,
    )
    db.session.add(stored)
    db.session.flush()
    return stored


def upload(*, photo: KeptPhoto, by: Principal) -> FileView:
    """Keep a photo for the caller, and answer with its addresses."""
    return queries.file_view(store_file(photo=photo, owner_id=by.volunteer_id))


def load_own(principal: Principal, file_id: UUID) -> StoredFile:
    """A photo that the caller sent, to be put to use in this unit. Raises NotFound (404) for any other."""
    return load_own_files(principal, [file_id])[0]


def load_own_files(principal: Principal, file_ids: Sequence[UUID]) -> list[StoredFile]:
    """Photos that the caller sent, in the given order, to be put to use in this unit, which must write.

    Touching them keeps the sweep away until the row that shows them is committed. Raises NotFound (404) where one is
    not there or somebody else's.
    """
    found = {
        stored.id: stored
        for stored in db.session.scalars(
            update(StoredFile)
            .where(StoredFile.id.in_(file_ids), StoredFile.owner_id == principal.volunteer_id)
            .values(touched_at=clock.now())
            .returning(StoredFile)
        )
    }
    if not found.keys() >= set(file_ids):
        raise NotFound()
    return [found[file_id] for file_id in file_ids]


def read_file(found: FoundFile) -> Download:
    """The bytes under a name, to be kept for a year: other bytes have another name. Raises NotFound (404)."""
    content = store().get(found.name)
    if content is None:
        raise NotFound()
    return Download(content=content, media_type=found.media_type, kept_seconds=KEPT_SECONDS)


def delete_files_of(owner_id: UUID) -> None:
    """Delete the photos that a person sent, for their erasure; the bytes go after the commit.

    Take the person's own uses away first and flush: what something still uses, like an activity's photo, stays without
    its sender.
    """
    _delete(StoredFile.owner_id == owner_id)
    db.session.execute(
        update(StoredFile)
        .where(StoredFile.owner_id == owner_id)
        .values(owner_id=None)
        .execution_options(synchronize_session=False)
    )


def delete_unused() -> bool:
    """Delete some hundreds of the photos that nothing has used for a week; whether there may be more."""
    if not uses.registered():
        return False  # nothing can say that it uses a photo: deleting them all would be a mistake of ours
    old = StoredFile.touched_at < clock.now() - timedelta(days=queries.UNUSED_DAYS)
    ids = db.session.scalars(select(StoredFile.id).where(old, uses.unused()).limit(BATCH)).all()
    # Once more `old`: who put it to use meanwhile touched it, and PostgreSQL judges the row again.
    _delete(StoredFile.id.in_(ids), old)
    return len(ids) == BATCH


def delete_orphans() -> None:
    """Delete bytes older than a day that no row knows: a crash came between store and commit, or after the erasure.

    Runs in no unit: it reads the names in short ones. Where another deployment keeps its photos in the same place,
    nothing is deleted: this one's database knows nothing of them.
    """
    if not _is_own_store():
        return
    limit = clock.now() - timedelta(days=ORPHAN_DAYS)
    batch: list[str] = []
    for name, since in store().listed():
        # A bucket may hold what others put there.
        if since < limit and queries.is_ours(name.partition(".jpg.")[0].removesuffix(".jpg") + ".jpg"):
            batch.append(name)
        if len(batch) == BATCH:
            _delete_unknown(batch)
            batch = []
    _delete_unknown(batch)


def _is_own_store() -> bool:
    """Whether this deployment's name stands in the store; the first run writes it, and leaves the sweep to the next.

    The name has a secret of the database and the public address in it, so that neither another deployment nor a copy of
    this one that serves elsewhere takes the store for its own.
    """
    secret = run_unit(lambda: keyring.look_up("file store", "owner"), writes=True)
    own = f"{settings().public_base_url} {secret.hex()[:16]}".encode()
    found = store().get(OWNER)
    if found is None and _may_claim():
        # Of two that write at the same moment the last one stands: whose name it is, the next run reads.
        store().put(OWNER, own, "text/plain")
        return False
    if found != own:
        logger().error("file_store_shared", hint="give each deployment an S3_PREFIX or a VAR_DIR of its own")
    return found == own


def _may_claim() -> bool:
    """Whether the store has no photos, or one that this database knows: else they are another deployment's."""
    photos = (queries.whole_name(name) for name, _ in store().listed() if queries.is_ours(name))
    is_empty = True
    while names := set(islice(photos, BATCH)):
        if _any_known(names):
            return True
        is_empty = False
    return is_empty


def _any_known(names: set[str]) -> bool:
    return bool(run_unit(lambda: queries.known_names(names), writes=False))


def _delete_unknown(names: list[str]) -> None:
    wholes = {queries.whole_name(name) for name in names if not name.endswith(UNFINISHED)}
    known = run_unit(lambda: queries.known_names(wholes), writes=False) if wholes else set()
    for name in names:
        if name.endswith(UNFINISHED) or queries.whole_name(name) not in known:
            store().delete(name)


def _delete(*which: ColumnElement[bool]) -> None:
    """Delete what of these rows nothing uses, and after the commit their bytes."""
    gone = db.session.execute(
        delete(StoredFile)
        .where(*which, uses.unused())
        .returning(StoredFile.name, StoredFile.thumbnails)
        .execution_options(synchronize_session=False)
    ).all()
    names = [name for row in gone for name in (row.name, *(one["name"] for one in row.thumbnails))]
    if not names:
        return

    def forget() -> None:
        for name in names:
            store().delete(name)

    # What this leaves behind, the sweep of orphans finds.
    after_commit(forget)
