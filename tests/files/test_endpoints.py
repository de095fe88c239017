"""Sending photos and seeing them, by HTTP, on both databases."""

import threading
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.factories import make_volunteer
from tests.files.factories import decoded, make_file, picture, send
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.files import access, images, intake, stores, uses
from volunteer_api.files.models import StoredFile


def path_of(url: str) -> str:
    """The address relative to /api/v1."""
    return url.removeprefix("http://localhost/api/v1")


def rows(unit: Any) -> int:
    return int(unit(lambda: db.session.query(StoredFile).count()))


def stored_names(app: Any) -> list[str]:
    with app.app_context():
        return sorted(name for name, _ in stores.store().listed())


def test_a_photo_is_sent_and_seen(client: Any) -> None:
    answer = send(client.as_(make_volunteer()), picture(4000, 3000))
    assert answer.status_code == 201, answer.json
    sent = answer.json
    assert sent.keys() == {"id", "url", "width", "height", "byte_size", "media_type", "thumbnails"}
    assert (sent["width"], sent["height"], sent["media_type"]) == (2048, 1536, "image/jpeg")
    assert [(one["width"], one["height"]) for one in sent["thumbnails"]] == [(160, 120), (640, 480)]

    # A phone fetches pictures without a token.
    seen = client.get(path_of(sent["url"]))
    assert seen.status_code == 200
    assert (len(seen.data), seen.mimetype) == (sent["byte_size"], "image/jpeg")
    assert decoded(seen.data).size == (2048, 1536)
    assert seen.headers["X-Content-Type-Options"] == "nosniff"
    assert seen.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "immutable" in seen.headers["Cache-Control"]
    # The same bytes for everybody: a cache may hand its copy to the next token and language.
    assert not {"Authorization", "Accept-Language", "Content-Language"} & {*seen.headers.keys(), *seen.vary}
    assert client.get(path_of(sent["url"]), headers={"If-None-Match": seen.headers["ETag"]}).status_code == 304
    for thumbnail in sent["thumbnails"]:
        small = client.get(path_of(thumbnail["url"]))
        assert decoded(small.data).size == (thumbnail["width"], thumbnail["height"])


def test_names_are_secrets_that_tell_nothing(client: Any) -> None:
    asking = client.as_(make_volunteer())
    first, second = (send(asking, picture(), name="王秀英.jpg").json for _ in range(2))
    assert first["url"] != second["url"]
    secret = first["url"].rpartition("/")[2].removesuffix(".jpg")
    assert len(bytes.fromhex(secret)) == 16
    assert first["id"].replace("-", "") not in first["url"]


def test_nobody_sends_without_an_account(client: Any, app: Any, unit: Any) -> None:
    assert send(client, picture()).status_code == 401
    assert (rows(unit), stored_names(app)) == (0, [])


def test_an_ended_session_costs_no_decoding(client: Any, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asking = client.as_(make_volunteer())
    assert asking.post("/auth/sign-out").status_code == 204
    monkeypatch.setattr(images, "read_photo", lambda _: pytest.fail("it was decoded"))
    assert send(asking, picture()).status_code == 401
    assert stored_names(app) == []


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("a.svg", "image/svg+xml"), ("a.html", "text/html"), ("../../a.jpg", "image/png"), ("", "")],
)
def test_the_declared_name_and_type_count_for_nothing(client: Any, name: str, content_type: str) -> None:
    parts = {"file": (BytesIO(picture(kind="PNG")), name or "x", content_type)}
    answer = client.as_(make_volunteer()).post("/files", data=parts, content_type="multipart/form-data")
    assert answer.status_code == 201
    assert answer.json["media_type"] == "image/jpeg"
    assert client.get(path_of(answer.json["url"])).mimetype == "image/jpeg"


@pytest.mark.parametrize("content", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", picture()[:300]])
def test_what_is_no_photo_is_refused_and_leaves_nothing(client: Any, app: Any, unit: Any, content: bytes) -> None:
    answer = send(client.as_(make_volunteer()), content, name="photo.jpg", key="one")
    assert answer.status_code == 422
    (error,) = answer.json["errors"]
    assert error["pointer"] == "/file"
    assert (rows(unit), stored_names(app)) == (0, [])


def test_a_refusal_speaks_chinese(client: Any) -> None:
    asking = client.as_(make_volunteer())
    answer = send(asking, b"x", headers={"Accept-Language": "zh-CN"})
    assert answer.json["errors"][0]["detail"] == "这不是JPEG、PNG或WebP格式的照片。"


def test_too_many_bytes_are_refused(client: Any, app: Any, change_settings: Any) -> None:
    asking = client.as_(make_volunteer())
    assert send(asking, picture() + b"\x00" * 10 * 1024 * 1024).status_code == 413
    change_settings(app, upload_bytes=300)
    assert send(asking, picture()).status_code == 413


def test_other_fields_and_other_bodies_are_refused(client: Any) -> None:
    asking = client.as_(make_volunteer())
    assert asking.post("/files", json={}).status_code == 415
    for parts in (
        {"photo": (BytesIO(picture()), "a.jpg")},
        {"file": "text"},
        {"file": (BytesIO(picture()), "a.jpg"), "owner_id": "x"},
        {"file": [(BytesIO(picture()), "a.jpg"), (BytesIO(picture()), "b.jpg")]},
    ):
        assert asking.post("/files", data=parts, content_type="multipart/form-data").status_code == 422


def test_a_second_tap_makes_one_photo(client: Any, app: Any, unit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asking = client.as_(make_volunteer())
    content = picture()
    first = send(asking, content, key="tap", boundary="one-boundary")
    monkeypatch.setattr(images, "read_photo", lambda _: pytest.fail("it was decoded again"))
    second = send(asking, content, key="tap", boundary="another-boundary")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json == second.json
    assert second.headers["Idempotency-Replayed"] == "true"
    assert rows(unit) == 1
    assert len(stored_names(app)) == 3
    other = send(asking, picture(kind="PNG"), key="tap")
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")


def test_a_key_belongs_to_its_owner(client: Any, unit: Any) -> None:
    content = picture()
    first, second = (send(client.as_(make_volunteer()), content, key="tap").json for _ in range(2))
    assert first["id"] != second["id"]
    assert rows(unit) == 2


@pytest.mark.parametrize(
    "name",
    [
        "0" * 32 + ".jpg",
        "0" * 32 + "-160.jpg",
        "..%2f..%2fvolunteer.db",
        "..%2F..%2F..%2Fetc%2Fpasswd",
        "%2e%2e",
        "..",
        "%00",
        "a" * 3000,
        "x.jpg%0a",
        "%F0%9F%98%80.jpg",
    ],
)
def test_unknown_names_are_404(client: Any, name: str) -> None:
    assert client.get(f"/files/{name}").status_code == 404


def test_only_whole_names_are_found(client: Any) -> None:
    stored = make_file(make_volunteer().id)
    secret = stored.name.removesuffix(".jpg")
    assert client.get(f"/files/{stored.name}").status_code == 200
    for name in (secret, secret.upper() + ".jpg", f"{secret}-161.jpg", f"{secret}.png", f"{stored.name}/", secret[:2]):
        assert client.get(f"/files/{name}").status_code == 404, name
    assert client.get("/files").status_code == 405


def test_lost_bytes_are_404(client: Any, app: Any) -> None:
    stored = make_file(make_volunteer().id)
    with app.app_context():
        stores.store().delete(stored.name)
    assert client.get(f"/files/{stored.name}").status_code == 404


def test_a_store_that_fails_is_503_and_leaves_no_row(client: Any, app: Any, unit: Any, tmp_path: Path) -> None:
    asking = client.as_(make_volunteer())
    (tmp_path / "occupied").write_bytes(b"")
    app.extensions[stores.EXTENSION] = stores.FolderStore(tmp_path / "occupied")
    answer = send(asking, picture(), key="one")
    assert (answer.status_code, answer.json["code"]) == (503, "file_store_unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert rows(unit) == 0
    app.extensions[stores.EXTENSION] = stores.FolderStore(tmp_path / "files")
    # A passing failure isn't remembered under the key.
    assert send(asking, picture(), key="one").status_code == 201


def test_a_caller_has_a_limit_of_photos(client: Any, app: Any, change_settings: Any, monkeypatch: Any) -> None:
    change_settings(app, limits=True)
    monkeypatch.setattr(intake, "LIMIT", "2/hour")
    asking, other = (client.as_(make_volunteer()) for _ in range(2))
    assert [send(asking, picture()).status_code for _ in range(3)] == [201, 201, 429]
    assert send(other, picture()).status_code == 201


def test_a_worker_decodes_one_photo_at_a_time(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "DECODERS", threading.BoundedSemaphore(1))
    monkeypatch.setattr(intake, "PATIENCE_SECONDS", 0.05)
    asking = client.as_(make_volunteer())
    with intake.DECODERS:
        busy = send(asking, picture(), key="one")
    assert (busy.status_code, busy.json["code"]) == (503, "busy")
    assert "Retry-After" in busy.headers
    # A refusal gives the place back, and so does a success.
    assert [send(asking, b"x").status_code for _ in range(3)] == [422] * 3
    assert [send(asking, picture(), key="one").status_code for _ in range(3)] == [201] * 3


def test_decoding_holds_no_transaction(client: Any, unit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asking = client.as_(make_volunteer())
    decode = images.read_photo
    written: list[Any] = []

    def look(content: bytes) -> Any:
        # SQLite has one writer: were the unit open, this would wait for it in vain.
        thread = threading.Thread(target=lambda: written.append(make_volunteer()))
        thread.start()
        thread.join(timeout=4)
        return decode(content)

    monkeypatch.setattr(images, "read_photo", look)
    assert send(asking, picture()).status_code == 201
    assert len(written) == 1


def test_the_statements_of_a_photo_are_few(client: Any, statements: Any) -> None:
    asking = client.as_(make_volunteer())
    with statements() as seen:
        sent = send(asking, picture(), key="one").json
    # Whether there is room is asked before the photo is decoded, and again with its row.
    assert len(seen) <= 8, seen
    with statements() as seen:
        client.get(path_of(sent["url"]))
    assert len(seen) == 1, seen


def test_twins_under_one_key_make_one_photo(postgresql_client: Any, race: Any) -> None:
    asking = postgresql_client.as_(make_volunteer())
    content = picture()
    answers = race(4, lambda number: send(asking, content, key="twin", boundary=f"boundary-{number}"))
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.json["id"] for answer in answers}) == 1


def test_only_so_many_photos_wait_for_a_use(client: Any, unit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "UNUSED_AT_MOST", 2)
    shown: set[UUID] = set()
    monkeypatch.setattr(uses, "_uses", {"tests": lambda: select(StoredFile.id).where(StoredFile.id.in_(shown))})
    owner = make_volunteer()
    phone = client.as_(owner)
    first = send(phone, picture(), key="first")
    assert send(phone, picture()).status_code == 201
    names = stored_names(client.app)
    refused = send(phone, picture(), key="third")
    assert (refused.status_code, refused.json["code"]) == (409, "too_many_unused_photos")
    # Nothing was decoded for it, others send as before, and a retry still gets its answer.
    assert stored_names(client.app) == names
    assert send(client.as_(make_volunteer()), picture()).status_code == 201
    assert send(phone, picture(), key="first").json["id"] == first.json["id"]
    shown.add(UUID(first.json["id"]))
    assert send(phone, picture(), key="third").status_code == 201


def test_what_the_sweep_is_late_with_counts_for_nobody(client: Any, unit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "UNUSED_AT_MOST", 1)
    owner = make_volunteer()
    with clock.at(clock.now() - timedelta(days=7, minutes=1)):
        make_file(owner.id)
    assert send(client.as_(owner), picture()).status_code == 201
