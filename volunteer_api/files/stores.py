"""Where the bytes lie: a folder, or a bucket of S3 and what speaks like it. Both are made when the application is."""

import importlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from flask import Flask, current_app

from volunteer_api.config import GET_EXTRAS, BadEnvironment, S3Settings, Settings
from volunteer_api.core.logs import logger
from volunteer_api.files.problems import FileStoreUnavailable

EXTENSION = "volunteer_api.file_store"
UNFINISHED = ".part"
PATIENCE_SECONDS = 5


class FileStore(Protocol):
    """Bytes by name; names are made of hexadecimal digits, hyphens and a dot. Raises FileStoreUnavailable (503)."""

    def put(self, name: str, content: bytes, media_type: str) -> None:
        """Keep the bytes for good: when this returns, a power cut does not lose them."""

    def get(self, name: str) -> bytes | None:
        """The bytes, None where there are none."""

    def delete(self, name: str) -> None:
        """Forget the bytes; where there are none, nothing happens."""

    def listed(self) -> Iterator[tuple[str, datetime]]:
        """Every name and since when it is there, unfinished ones included."""


class FolderStore:
    """Files in folders of two levels, so that none of them grows too large to list."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, content: bytes, media_type: str) -> None:
        with _named_failure(OSError):
            path = self._path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f"{name}.{secrets.token_hex(4)}{UNFINISHED}")
            try:
                with temporary.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            # The names of a new file and of its new folders must last as well.
            for folder in (path.parent, path.parent.parent, self._folder):
                _sync(folder)

    def get(self, name: str) -> bytes | None:
        with _named_failure(OSError):
            try:
                return self._path(name).read_bytes()
            except FileNotFoundError:
                return None

    def delete(self, name: str) -> None:
        with _named_failure(OSError):
            self._path(name).unlink(missing_ok=True)

    def listed(self) -> Iterator[tuple[str, datetime]]:
        with _named_failure(OSError):
            for path in self._folder.glob("??/??/*"):
                try:
                    moment = path.stat().st_mtime
                except FileNotFoundError:
                    continue
                yield path.name, datetime.fromtimestamp(moment, UTC)

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name[2:4] / name


class S3Store:
    """Objects under the prefix of this deployment in a private bucket, which others may use too."""

    def __init__(self, chosen: S3Settings) -> None:
        try:
            # An extra: most deployments have no bucket, and loading it takes time.
            boto3 = importlib.import_module("boto3")
            client_config = importlib.import_module("botocore.config").Config
            exceptions = importlib.import_module("botocore.exceptions")
        except ImportError as error:
            raise BadEnvironment(f"FILE_STORE is s3, whose library is missing: {GET_EXTRAS}") from error
        self._bucket, self._prefix = chosen.bucket, chosen.prefix
        self._failures = (exceptions.BotoCoreError, exceptions.ClientError)
        self._client: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=chosen.endpoint,
            region_name=chosen.region,
            aws_access_key_id=chosen.access_key_id,
            aws_secret_access_key=chosen.secret_access_key,
            config=client_config(
                connect_timeout=PATIENCE_SECONDS,
                read_timeout=PATIENCE_SECONDS,
                retries={"total_max_attempts": 2},
                # Servers that speak like S3 often don't know its newest checksums.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                # A bucket's name as a part of the host needs DNS that a server of one's own rarely has.
                s3={"addressing_style": "path" if chosen.endpoint else "auto"},
            ),
        )

    def put(self, name: str, content: bytes, media_type: str) -> None:
        with _named_failure(*self._failures):
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=content, ContentType=media_type)

    def get(self, name: str) -> bytes | None:
        with _named_failure(*self._failures):
            try:
                content: bytes = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"].read()
            except self._client.exceptions.NoSuchKey:
                return None
            return content

    def delete(self, name: str) -> None:
        with _named_failure(*self._failures):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    def listed(self) -> Iterator[tuple[str, datetime]]:
        with _named_failure(*self._failures):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield entry["Key"].removeprefix(self._prefix), entry["LastModified"].astimezone(UTC)


def configure_store(app: Flask, settings: Settings) -> None:
    """Give the application its store. Raises BadEnvironment where the extra of the chosen one is not installed."""
    app.extensions[EXTENSION] = (
        FolderStore(settings.var_directory / "files") if settings.s3 is None else S3Store(settings.s3)
    )


def store() -> FileStore:
    """The store of the running application."""
    found: FileStore = current_app.extensions[EXTENSION]
    return found


@contextmanager
def _named_failure(*failures: type[Exception]) -> Iterator[None]:
    try:
        yield
    except failures as error:
        logger().error("file_store_failed", error=type(error).__name__)
        raise FileStoreUnavailable() from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
