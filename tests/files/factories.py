"""Makers of photos, and of what sends them."""

import secrets
import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

from tests.factories import factory
from volunteer_api.files import intake, service
from volunteer_api.files.models import StoredFile


def picture(width: int = 64, height: int = 48, mode: str = "RGB", kind: str = "JPEG", **options: Any) -> bytes:
    """The bytes of a picture whose left half is red and right half is blue, where the mode has colors."""
    image = Image.new("RGB", (width, height), (200, 30, 30))
    image.paste((30, 30, 200), (width // 2, 0, width, height))
    return encoded(image.convert(mode), kind, **options)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The image as a file."""
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def decoded(content: bytes) -> Image.Image:
    """A loaded image."""
    image = Image.open(BytesIO(content))
    image.load()
    return image


def png_header(width: int, height: int, packed: bytes = b"") -> bytes:
    """A PNG that says how large it is and holds nearly nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def send(client: Any, content: bytes, *, name: str = "photo.jpg", boundary: str | None = None, **options: Any) -> Any:
    """Post the bytes as the field "file", the parts divided by `boundary`."""
    mark = boundary or secrets.token_hex(8)
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    body = head.encode() + b"Content-Type: application/x-anything\r\n\r\n" + content + f"\r\n--{mark}--\r\n".encode()
    return client.post("/files", data=body, content_type=f"multipart/form-data; boundary={mark}", **options)


@factory
def make_file(owner_id: Any, content: bytes | None = None) -> StoredFile:
    """A stored photo of this owner."""
    return service.store_file(photo=intake.keep(content or picture()), owner_id=owner_id)
