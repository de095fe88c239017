"""The file: a gzipped tar with `database`, `files/NAME` for each photo, and at its end what all of these must be."""

import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

from volunteer_api.files.queries import is_ours

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "database"
FILES = "files/"
# Dumps of PostgreSQL and photos are pressed already.
LEVEL = 3
CHUNK = 1 << 20
MOST_MANIFEST_BYTES = 1 << 30


class BackupRefused(Exception):
    """Why no backup was made or restored; its text is what a person needs. Nothing was changed."""


@dataclass
class Manifest:
    """What a backup says of itself: `digests` are the SHA-256 of its members in hexadecimal."""

    made_at: str
    database: str
    revision: str
    digests: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def photos(self) -> int:
        """How many photos it holds, thumbnails among them."""
        return sum(name.startswith(FILES) for name in self.digests)


class Writer:
    """Adds members to a backup."""

    def __init__(self, tar: tarfile.TarFile, manifest: Manifest) -> None:
        self._tar = tar
        self._manifest = manifest

    def add_database(self, path: Path) -> None:
        """Add the dump of the database."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            self._add(DATABASE, path.stat().st_size, file)
        self._manifest.digests[DATABASE] = digest

    def add_photo(self, name: str, content: bytes) -> None:
        """Add a photo by its name in the store; one of ours."""
        self._add(FILES + name, len(content), io.BytesIO(content))
        self._manifest.digests[FILES + name] = hashlib.sha256(content).hexdigest()

    def add_manifest(self) -> None:
        """End the backup."""
        content = orjson.dumps(asdict(self._manifest), option=orjson.OPT_INDENT_2)
        self._add(MANIFEST, len(content), io.BytesIO(content))

    def _add(self, name: str, size: int, source: IO[bytes]) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, 0o600
        self._tar.addfile(member, source)


@contextmanager
def written(path: Path, manifest: Manifest) -> Iterator[Writer]:
    """A backup that is there under its name once it is whole, and for its owner's eyes only.

    Raises BackupRefused where something has the name already, or nothing can be written there.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise BackupRefused(f"{part} is there: another backup is being made, or was broken off. Remove it.") from error
    except OSError as error:
        raise BackupRefused(f"{part} can't be written: {os.strerror(error.errno or 0)}.") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=LEVEL) as tar:
                writer = Writer(tar, manifest)
                yield writer
                writer.add_manifest()
            file.flush()
            os.fsync(file.fileno())
        _named(part, path)
    except FileExistsError as error:
        raise BackupRefused(f"{path} is there already; a backup takes the place of none.") from error
    except OSError as error:
        raise BackupRefused(f"{path} can't be written: {os.strerror(error.errno or 0)}.") from error
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def _named(part: Path, path: Path) -> None:
    try:
        # Unlike a rename it takes nobody else's name.
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:
        # A disk without hard links, as sticks and some network drives are.
        path.open("xb").close()
        part.replace(path)


def unpacked(path: Path, folder: Path) -> Manifest:
    """Unpack a whole backup, as `database` and photos by their names, into a folder; each byte is compared.

    Raises BackupRefused where it is none, or is not as it was made.
    """
    found: dict[str, str] = {}
    manifest: Manifest | None = None
    try:
        with tarfile.open(path, "r|gz") as tar:
            for member in tar:
                source = tar.extractfile(member) if member.isreg() else None
                if source is None or manifest is not None or member.name in found:
                    raise BackupRefused(f"{path} holds {member.name!r}, which no backup has there.")
                if member.name == MANIFEST:
                    manifest = _manifest(orjson.loads(source.read(MOST_MANIFEST_BYTES)), path)
                elif member.name == DATABASE or (
                    member.name.startswith(FILES) and is_ours(member.name.removeprefix(FILES))
                ):
                    found[member.name] = _kept(source, folder / member.name.removeprefix(FILES))
                else:
                    raise BackupRefused(f"{path} holds {member.name!r}, which no backup has.")
    except (tarfile.TarError, EOFError, zlib.error, orjson.JSONDecodeError, OSError) as error:
        raise BackupRefused(f"{path} can't be read as a backup: {error}.") from error
    if manifest is None or DATABASE not in found:
        raise BackupRefused(f"{path} is no backup, or its end is missing.")
    if found != manifest.digests:
        changed = sorted(
            name for name in found.keys() | manifest.digests if found.get(name) != manifest.digests.get(name)
        )
        raise BackupRefused(f"{path} is not as it was made: {', '.join(changed[:3])} differ.")
    return manifest


def _manifest(content: Mapping[str, Any], path: Path) -> Manifest:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BackupRefused(f"{path} is of a format that this release does not know.")
    try:
        return Manifest(**content)
    except TypeError as error:
        raise BackupRefused(f"{path} says of itself what no backup says.") from error


def _kept(source: IO[bytes], path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("xb") as file:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()
