"""From the bytes of an upload to a photo in the store, before any transaction: decoding and disks are slow."""

import hashlib
import secrets
import threading
from dataclasses import dataclass
from typing import Any

from volunteer_api.core.access import Principal
from volunteer_api.core.bodies import Upload
from volunteer_api.core.limits import check_limit
from volunteer_api.core.turns import in_turn
from volunteer_api.files import images
from volunteer_api.files.stores import store

LIMIT = "60/hour"
# One per worker process: a hostile file costs up to 700 MB while it is decoded, and a photo takes a fifth of a second.
DECODERS = threading.BoundedSemaphore(1)
PATIENCE_SECONDS = 2.0


@dataclass(frozen=True)
class KeptPhoto:
    """A photo whose bytes are in the store, and that no row knows yet; `thumbnails` as StoredFile has them."""

    name: str
    media_type: str
    width: int
    height: int
    byte_size: int
    sha256: bytes
    thumbnails: list[dict[str, Any]]


def receive(principal: Principal, upload: Upload) -> KeptPhoto:
    """Judge the upload and keep it.

    Where no row follows, because the unit is refused or the power fails, the sweep finds the bytes.
    Raises TooManyRequests (429), InvalidPayload (422), Busy and FileStoreUnavailable (503).
    """
    check_limit(LIMIT, "files", str(principal.volunteer_id))
    return keep(upload.content)


def keep(content: bytes) -> KeptPhoto:
    """Make a photo of the bytes and put it into the store. Call it outside of a unit."""
    with in_turn(DECODERS, PATIENCE_SECONDS):
        photo = images.read_photo(content)
    secret = secrets.token_hex(16)
    name = f"{secret}.jpg"
    thumbnails = []
    for small in photo.thumbnails:
        small_name = f"{secret}-{small.side}.jpg"
        store().put(small_name, small.content, images.MEDIA_TYPE)
        thumbnails.append({"name": small_name, "width": small.width, "height": small.height})
    store().put(name, photo.whole.content, images.MEDIA_TYPE)
    return KeptPhoto(
        name=name,
        media_type=images.MEDIA_TYPE,
        width=photo.whole.width,
        height=photo.whole.height,
        byte_size=len(photo.whole.content),
        sha256=hashlib.sha256(photo.whole.content).digest(),
        thumbnails=thumbnails,
    )
