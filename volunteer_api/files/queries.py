"""Reads of photos."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.settings import settings
from volunteer_api.core.statements import count_some
from volunteer_api.files import uses
from volunteer_api.files.models import StoredFile

# What nothing has used for so long is deleted.
UNUSED_DAYS = 7
# Nothing else ever reaches the store: no path leads out of it.
NAME = re.compile(r"([0-9a-f]{32})(-[0-9]{2,4})?\.jpg", re.ASCII)


@dataclass(frozen=True)
class ThumbnailView:
    """A smaller JPEG of a photo; sizes in pixels."""

    width: int
    height: int
    url: str


@dataclass(frozen=True)
class FileView:
    """A photo and its addresses; sizes in pixels and bytes."""

    id: UUID
    url: str
    width: int
    height: int
    byte_size: int
    media_type: str
    thumbnails: list[ThumbnailView]


@dataclass(frozen=True)
class FoundFile:
    """A name that is there, of a photo or of one of its thumbnails."""

    name: str
    media_type: str


def url_of(name: str) -> str:
    """The public address of a name: whoever knows it may see the photo, and nobody can guess it."""
    return f"{settings().public_base_url}/api/v1/files/{name}"


def file_view(stored: StoredFile) -> FileView:
    """The photo as the contract shows it; no statement."""
    thumbnails = [ThumbnailView(one["width"], one["height"], url_of(one["name"])) for one in stored.thumbnails]
    return FileView(
        id=stored.id,
        url=url_of(stored.name),
        width=stored.width,
        height=stored.height,
        byte_size=stored.byte_size,
        media_type=stored.media_type,
        thumbnails=thumbnails,
    )


def views_of(file_ids: Collection[UUID]) -> dict[UUID, FileView]:
    """The photos of many rows by their ids, in one statement; what is not there is left out."""
    if not file_ids:
        return {}
    found = db.session.scalars(select(StoredFile).where(StoredFile.id.in_(file_ids)))
    return {stored.id: file_view(stored) for stored in found}


def find_by_name(name: str) -> FoundFile | None:
    """The photo or thumbnail of this name, None where there is none."""
    if NAME.fullmatch(name) is None:
        return None
    stored = db.session.scalar(select(StoredFile).where(StoredFile.name == whole_name(name)))
    if stored is None or name not in stored.names:
        return None
    return FoundFile(name=name, media_type=stored.media_type)


def whole_name(name: str) -> str:
    """The name of the photo whose thumbnail or self this is."""
    found = NAME.fullmatch(name)
    return name if found is None else f"{found[1]}.jpg"


def is_ours(name: str) -> bool:
    """Whether it is made like the name of a photo or thumbnail."""
    return NAME.fullmatch(name) is not None


def known_names(names: Collection[str]) -> set[str]:
    """Those of the photos' names that have a row."""
    return set(db.session.scalars(select(StoredFile.name).where(StoredFile.name.in_(names))))


def unused_count(owner_id: UUID, most: int) -> int:
    """How many photos that a person sent nothing uses, counted up to `most`; of older ones the sweep takes care."""
    young = StoredFile.touched_at >= clock.now() - timedelta(days=UNUSED_DAYS)
    return count_some(select(StoredFile.id).where(StoredFile.owner_id == owner_id, young, uses.unused()), most)


def files_of(owner_id: UUID) -> list[StoredFile]:
    """The photos that a person sent, oldest first."""
    return list(db.session.scalars(select(StoredFile).where(StoredFile.owner_id == owner_id).order_by(StoredFile.id)))
