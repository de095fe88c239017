"""The folder and the bucket keep the same promises."""

import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest
from flask import Flask

from tests.factories import make_volunteer
from tests.files.factories import picture, send
from tests.servers import make_settings
from volunteer_api.config import BadEnvironment, S3Settings, load_settings
from volunteer_api.core import clock
from volunteer_api.core.tasks import run_task
from volunteer_api.files import stores
from volunteer_api.files.problems import FileStoreUnavailable
from volunteer_api.files.stores import FileStore, FolderStore, S3Store, configure_store

NAME = "0123456789abcdef0123456789abcdef.jpg"
OTHER = "fedcba9876543210fedcba9876543210-160.jpg"


class Bucket(ThreadingHTTPServer):
    """As much of S3 as the store speaks: PUT, GET, DELETE and ListObjectsV2 in pages of two, by path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, tuple[bytes, str, datetime]] = {}
        self.requests: list[tuple[str, str]] = []
        self.fails_with: int | None = None


class Handler(BaseHTTPRequestHandler):
    """One connection to the bucket."""

    protocol_version = "HTTP/1.1"
    server: Bucket

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's own name for it
        """Nothing: a test's output stays readable."""

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.admitted():
            self.server.objects[self.key()] = (content, self.headers["Content-Type"], datetime.now(UTC))
            self.answer(200)

    def do_GET(self) -> None:
        if not self.admitted():
            return
        query = parse_qs(urlsplit(self.path).query)
        if "list-type" in query:
            self.answer(200, self.listing(query), "application/xml")
        elif self.key() in self.server.objects:
            content, media_type, _ = self.server.objects[self.key()]
            self.answer(200, content, media_type)
        else:
            self.answer(404, b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>", "application/xml")

    def do_DELETE(self) -> None:
        if self.admitted():
            self.server.objects.pop(self.key(), None)
            self.answer(204)

    def admitted(self) -> bool:
        """Whether the request is signed with our key and the server is well."""
        self.server.requests.append((self.command, self.path))
        if self.server.fails_with is not None:
            self.answer(self.server.fails_with, b"<Error><Code>SlowDown</Code></Error>", "application/xml")
            return False
        if "Credential=the-key/" not in self.headers.get("Authorization", ""):
            self.answer(403, b"<Error><Code>AccessDenied</Code></Error>", "application/xml")
            return False
        return True

    def key(self) -> str:
        bucket, _, key = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
        assert bucket == "photos"
        return key

    def listing(self, query: dict[str, list[str]]) -> bytes:
        after = query.get("continuation-token", [""])[0]
        keys = sorted(key for key in self.server.objects if key.startswith(query["prefix"][0]) and key > after)
        page, more = keys[:2], len(keys) > 2
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>1</Size>"
            f"<LastModified>{self.server.objects[key][2].strftime('%Y-%m-%dT%H:%M:%S.000Z')}</LastModified></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{page[-1]}</NextContinuationToken>" if more else ""
        return (
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>photos</Name>'
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{entries}</ListBucketResult>"
        ).encode()

    def answer(self, status: int, content: bytes = b"", media_type: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    server = Bucket()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def s3_settings(bucket: Bucket, **changes: str) -> S3Settings:
    values = {
        "endpoint": f"http://127.0.0.1:{bucket.server_address[1]}",
        "bucket": "photos",
        "region": "us-east-1",
        "access_key_id": "the-key",
        "secret_access_key": "the-secret",
    }
    return S3Settings(**(values | changes))


@pytest.fixture(params=["folder", "s3"])
def kept(request: pytest.FixtureRequest, tmp_path: Path, sqlite_app: Flask) -> Iterator[FileStore]:
    """A store of each kind, in an application context."""
    made: FileStore
    if request.param == "folder":
        made = FolderStore(tmp_path / "files")
    else:
        made = S3Store(s3_settings(request.getfixturevalue("bucket")))
    with sqlite_app.app_context():
        yield made


def test_what_is_put_is_got_until_it_is_deleted(kept: FileStore) -> None:
    assert kept.get(NAME) is None
    kept.put(NAME, b"\x00\xff" * 5000, "image/jpeg")
    assert kept.get(NAME) == b"\x00\xff" * 5000
    assert kept.get(OTHER) is None
    kept.put(NAME, b"anew", "image/jpeg")
    assert kept.get(NAME) == b"anew"
    kept.delete(NAME)
    kept.delete(NAME)
    assert kept.get(NAME) is None


def test_all_names_are_listed_with_their_time(kept: FileStore) -> None:
    assert list(kept.listed()) == []
    names = {f"{number:032x}.jpg" for number in range(5)} | {OTHER}
    for name in names:
        kept.put(name, b"x", "image/jpeg")
    listed = dict(kept.listed())
    assert set(listed) == names
    assert all(abs(clock.now() - moment) < timedelta(minutes=1) for moment in listed.values())


def test_many_threads_share_a_store(kept: FileStore, race: Any, sqlite_app: Flask) -> None:
    def put(number: int) -> None:
        with sqlite_app.app_context():
            kept.put(f"{number:032x}.jpg", bytes([number]) * 1000, "image/jpeg")

    assert race(8, put) == [None] * 8
    assert [kept.get(f"{number:032x}.jpg") for number in range(8)] == [bytes([number]) * 1000 for number in range(8)]


def test_the_folder_keeps_no_half_written_file(
    tmp_path: Path, sqlite_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = FolderStore(tmp_path / "files")

    def fail(_: int) -> None:
        raise OSError("no space left on device")

    with sqlite_app.app_context():
        folder.put(NAME, b"before", "image/jpeg")
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", fail)
            with pytest.raises(FileStoreUnavailable):
                folder.put(NAME, b"after", "image/jpeg")
        assert folder.get(NAME) == b"before"
        assert [name for name, _ in folder.listed()] == [NAME]


def test_the_folder_is_synced_before_a_photo_counts(
    tmp_path: Path, sqlite_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    sync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    with sqlite_app.app_context():
        FolderStore(tmp_path / "files").put(NAME, b"x", "image/jpeg")
    assert re.fullmatch(re.escape(NAME) + r"\.[0-9a-f]{8}\.part", synced[0])
    assert synced[1:] == ["23", "01", "files"]


@pytest.mark.parametrize("status", [403, 500, 503])
def test_a_bucket_that_refuses_is_unavailable(bucket: Bucket, sqlite_app: Flask, status: int) -> None:
    store = S3Store(s3_settings(bucket))
    bucket.fails_with = status
    with sqlite_app.app_context():
        for act in (
            lambda: store.put(NAME, b"x", "image/jpeg"),
            lambda: store.get(NAME),
            lambda: store.delete(NAME),
            lambda: list(store.listed()),
        ):
            with pytest.raises(FileStoreUnavailable):
                act()


def test_a_bucket_that_is_gone_or_not_ours_is_unavailable(bucket: Bucket, sqlite_app: Flask) -> None:
    with sqlite_app.app_context():
        with pytest.raises(FileStoreUnavailable):
            S3Store(s3_settings(bucket, endpoint="http://127.0.0.1:1")).get(NAME)
        with pytest.raises(FileStoreUnavailable):
            S3Store(s3_settings(bucket, access_key_id="another")).get(NAME)


def test_a_photo_goes_through_a_bucket(
    client: Any, app: Flask, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.extensions, stores.EXTENSION, S3Store(s3_settings(bucket)))
    sent = send(client.as_(make_volunteer()), picture()).json
    kept = set(bucket.objects)
    assert len(kept) == 3
    assert {media_type for _, media_type, _ in bucket.objects.values()} == {"image/jpeg"}
    for one in (sent, *sent["thumbnails"]):
        path = one["url"].removeprefix("http://localhost/api/v1")
        # The bucket stays private: its bytes pass through, no address of it is given away.
        seen = client.get(path)
        assert (seen.status_code, seen.data) == (200, bucket.objects[path.removeprefix("/")][0])
    bucket.objects["files/" + NAME] = (b"x", "image/jpeg", clock.now() - timedelta(days=2))
    bucket.objects["backups/" + NAME] = (b"x", "image/jpeg", clock.now() - timedelta(days=2))
    # The first run only writes whose the place is.
    run_task(app, "files.delete_orphans")
    run_task(app, "files.delete_orphans")
    assert "files/" + NAME not in bucket.objects
    # What lies beside our own folder is nobody's business.
    assert set(bucket.objects) == {*kept, "backups/" + NAME, "files/owner"}
    bucket.fails_with = 503
    assert client.get(path).json["code"] == "file_store_unavailable"


def test_two_deployments_in_one_bucket_leave_each_others_photos(
    client: Any, app: Flask, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, change_settings: Callable[..., None]
) -> None:
    """Another one, or a copy of this one that serves elsewhere, knows nothing of the photos sent here."""
    monkeypatch.setitem(app.extensions, stores.EXTENSION, S3Store(s3_settings(bucket)))
    run_task(app, "files.delete_orphans")
    # By now it is a stranger's.
    change_settings(app, public_base_url="https://staging.example.org")
    old = clock.now() - timedelta(days=2)
    bucket.objects["files/" + NAME] = (b"x", "image/jpeg", old)
    run_task(app, "files.delete_orphans")
    assert "files/" + NAME in bucket.objects
    # With a prefix of its own it keeps its own in order.
    monkeypatch.setitem(app.extensions, stores.EXTENSION, S3Store(s3_settings(bucket, prefix="staging/files/")))
    run_task(app, "files.delete_orphans")
    bucket.objects["staging/files/" + OTHER] = (b"x", "image/jpeg", old)
    run_task(app, "files.delete_orphans")
    assert set(bucket.objects) == {"files/" + NAME, "files/owner", "staging/files/owner"}


@pytest.mark.parametrize("prefix", ["photos", "/photos/", "../", "照片/", "a" * 120 + "/"])
def test_a_prefix_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    for name in ("BUCKET", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"S3_{name}", "x")
    monkeypatch.setenv("FILE_STORE", "s3")
    monkeypatch.setenv("S3_PREFIX", prefix)
    with pytest.raises(BadEnvironment, match="S3_PREFIX"):
        load_settings()


def test_the_folder_is_the_default(tmp_path: Path) -> None:
    app = Flask("x")
    configure_store(app, make_settings("sqlite:///x.db", tmp_path))
    assert isinstance(app.extensions[stores.EXTENSION], FolderStore)


def test_a_missing_extra_is_named(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(BadEnvironment, match="make install EXTRAS=1"):
        configure_store(Flask("x"), make_settings("sqlite:///x.db", tmp_path, s3=s3_settings(bucket)))


def test_the_environment_names_the_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().s3 is None
    monkeypatch.setenv("FILE_STORE", "ftp")
    with pytest.raises(BadEnvironment, match="FILE_STORE"):
        load_settings()
    monkeypatch.setenv("FILE_STORE", "s3")
    for name in ("S3_BUCKET", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"):
        with pytest.raises(BadEnvironment, match=name):
            load_settings()
        monkeypatch.setenv(name, f"value-of-{name}")
    found = load_settings().s3
    assert found == S3Settings(
        endpoint=None,
        bucket="value-of-S3_BUCKET",
        region="us-east-1",
        access_key_id="value-of-S3_ACCESS_KEY_ID",
        secret_access_key="value-of-S3_SECRET_ACCESS_KEY",
    )
    assert "SECRET" not in repr(found)
    monkeypatch.setenv("S3_ENDPOINT", "minio:9000")
    with pytest.raises(BadEnvironment, match="S3_ENDPOINT"):
        load_settings()
