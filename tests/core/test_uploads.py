"""Uploads and downloads by the wrapper: what it takes, what it refuses by name, and replay under a key."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.formparser import FormDataParser
from werkzeug.test import TestResponse

from tests.conftest import ApiClient
from tests.factories import current_app_is, make_volunteer
from tests.servers import Databases, close, make_settings
from volunteer_api.app import create_app
from volunteer_api.core.access import open_to_all, signed_in
from volunteer_api.core.bodies import Upload
from volunteer_api.core.database import db
from volunteer_api.core.downloads import PDF, Download
from volunteer_api.core.endpoint import REQUIRED, endpoint, feature_blueprint
from volunteer_api.core.ids import new_id
from volunteer_api.core.schema import Count, Schema, Text

blueprint = feature_blueprint("try_files", __name__, "A feature of this test's own.")
CONTENT = bytes(range(256)) * 4


class Taken(Schema):
    size = Count(required=True)
    file_name = Text(required=True)
    token = Text(required=True)


@endpoint(blueprint, "POST", "/try-uploads", access=signed_in, returns=Taken, status=201, upload=True)
def take(upload: Upload) -> dict[str, Any]:
    return {"size": len(upload.content), "file_name": upload.file_name, "token": str(new_id())}


@endpoint(
    blueprint,
    "POST",
    "/try-keyed-uploads",
    access=signed_in,
    returns=Taken,
    status=201,
    upload=True,
    idempotency=REQUIRED,
)
def take_keyed(upload: Upload) -> dict[str, Any]:
    return {"size": len(upload.content), "file_name": upload.file_name, "token": str(new_id())}


@endpoint(
    blueprint,
    "GET",
    "/try-downloads/<kind>",
    access=open_to_all(lambda _principal, kind: kind),
    produces=PDF,
)
def give(kind: str) -> Download:
    if kind == "late":
        db.session.execute(text("SELECT 1"))
        return Download(lambda: b"in" if db.session.registry().in_transaction() else b"after", PDF)
    if kind == "kept":
        return Download(CONTENT, PDF, kept_seconds=3600)
    return Download(CONTENT, PDF, file_name='证书 "2026"; x=1\r\nX-Evil: yes/no.pdf')


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def files_app(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Flask]:
    """The application with the routes above, on a database of its own."""
    url = databases.sqlite() if request.param == "sqlite" else databases.postgresql()
    app = create_app(make_settings(url, databases.own))
    app.register_blueprint(blueprint)
    with current_app_is(app):
        yield app
    close(app)


@pytest.fixture
def phone(files_app: Flask) -> ApiClient:
    """A phone that somebody is signed in on."""
    return ApiClient(files_app).as_(make_volunteer())


def part(content: bytes = CONTENT, name: str = "photo.jpg") -> tuple[io.BytesIO, str]:
    return io.BytesIO(content), name


def body(boundary: str, *parts: tuple[str, bytes]) -> dict[str, Any]:
    """A multipart body by hand: the disposition and the content of each part."""
    lines = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode() + content + b"\r\n"
        for disposition, content in parts
    )
    return {
        "data": lines + f"--{boundary}--\r\n".encode(),
        "content_type": f"multipart/form-data; boundary={boundary}",
    }


def errors(answer: TestResponse) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.get_json()
    return [(error["pointer"], error["code"]) for error in answer.get_json()["errors"]]


def test_one_file_arrives_whole(phone: ApiClient) -> None:
    answer = phone.post("/try-uploads", data={"file": part(name="照片.jpg")})
    assert answer.status_code == 201
    assert (answer.get_json()["size"], answer.get_json()["file_name"]) == (len(CONTENT), "照片.jpg")


def test_a_name_is_bounded_and_an_empty_file_is_a_file(phone: ApiClient) -> None:
    answer = phone.post("/try-uploads", data={"file": part(b"", "n" * 500)})
    assert (answer.status_code, answer.get_json()["size"]) == (201, 0)
    assert answer.get_json()["file_name"] == "n" * 200


@pytest.mark.parametrize(
    "options",
    [
        {"json": {"file": "x"}},
        {"data": CONTENT, "content_type": "image/jpeg"},
        {"data": {"file": "x"}, "content_type": "application/x-www-form-urlencoded"},
        {"data": CONTENT},
        {},
    ],
)
def test_another_media_type(phone: ApiClient, options: dict[str, Any]) -> None:
    answer = phone.post("/try-uploads", **options)
    assert (answer.status_code, answer.get_json()["code"]) == (415, "unsupported_media_type")
    assert "multipart/form-data" in answer.get_json()["detail"]


def test_no_file_or_one_without_a_name(phone: ApiClient) -> None:
    for parts in ([], [("name=file", b"x")]):
        assert errors(phone.post("/try-uploads", **body("b", *parts))) == [("/file", "required")]


def test_two_files(phone: ApiClient) -> None:
    one = ('name="file"; filename="a"', b"x")
    assert errors(phone.post("/try-uploads", **body("b", one, one))) == [("/file", "required")]


def test_another_field_is_named(phone: ApiClient) -> None:
    one = ('name="file"; filename="a"', b"x")
    for other in ("name=owner_id", 'name="owner_id"; filename="b"'):
        assert errors(phone.post("/try-uploads", **body("b", one, (other, b"y")))) == [("/owner_id", "unknown")]
    text = ("name=file", b"y")
    assert errors(phone.post("/try-uploads", **body("b", one, text))) == [("/file", "required")]


@pytest.mark.parametrize(
    "broken",
    [
        {"data": b"no parts", "content_type": "multipart/form-data; boundary=b"},
        {"data": b"--b\r\n", "content_type": "multipart/form-data; boundary=b"},
        {"data": b"--b--", "content_type": "multipart/form-data"},
        {"data": b"", "content_type": "multipart/form-data; boundary=b"},
        {"data": b"--b\r\nX: y\r\n\r\nx\r\n--b--\r\n", "content_type": "multipart/form-data; boundary=b"},
        {"data": b"\xff" * 200, "content_type": "multipart/form-data; boundary=\xff"},
    ],
)
def test_a_broken_body_is_refused_by_name(phone: ApiClient, broken: dict[str, Any]) -> None:
    answer = phone.post("/try-uploads", **broken)
    assert answer.mimetype == "application/problem+json"
    assert answer.status_code in (400, 422)


def test_a_file_cut_short_is_not_taken(phone: ApiClient) -> None:
    whole = body("b", ('name="file"; filename="a"', CONTENT))
    answer = phone.post("/try-uploads", data=whole["data"][:-100], content_type=whole["content_type"])
    assert answer.status_code in (400, 422)


def test_more_parts_than_anybody_needs(phone: ApiClient) -> None:
    parts = [('name="file"; filename="a"', b"x")] * 50
    answer = phone.post("/try-uploads", **body("b", *parts))
    assert (answer.status_code, answer.mimetype) == (413, "application/problem+json")


@pytest.mark.parametrize(
    "head",
    ["name=file; " + "a=b; " * 2000, "name=file\r\n" + "X: a\r\n" * 2000 + "X: a"],
)
@pytest.mark.parametrize("before", [[], [('name="file"; filename="a"', b"x")]])
def test_long_headers_of_a_part_are_not_even_parsed(
    phone: ApiClient, monkeypatch: pytest.MonkeyPatch, head: str, before: list[tuple[str, bytes]]
) -> None:
    monkeypatch.setattr(FormDataParser, "parse", lambda *_: pytest.fail("it was parsed"))
    assert errors(phone.post("/try-uploads", **body("b", *before, (head, b"x")))) == [("/file", "required")]


def test_no_delimiter_hides_behind_others(phone: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FormDataParser, "parse", lambda *_: pytest.fail("it was parsed"))
    long = b"--b\r\nContent-Disposition: form-data; " + b"a=b; " * 2000 + b"\r\n\r\nx\r\n--b--\r\n"
    for start in (b"preamble", b"--b--x\r\n", b"x--b\r\n\r\n" * 200):
        answer = phone.post("/try-uploads", data=start + long, content_type="multipart/form-data; boundary=b")
        assert errors(answer) == [("/file", "required")]


def test_what_only_begins_like_a_delimiter_is_content(phone: ApiClient) -> None:
    content = b"\r\n--bx" * 200 + b"y" * 20_000
    answer = phone.post("/try-uploads", **body("b", ('name="file"; filename="a"', content)))
    assert (answer.status_code, answer.get_json()["size"]) == (201, len(content))


def test_a_stranger_costs_no_parsing(phone: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FormDataParser, "parse", lambda *_: pytest.fail("it was parsed"))
    assert ApiClient(phone.app).post("/try-uploads", data={"file": part()}).status_code == 401


def test_a_body_over_the_limit(phone: ApiClient, change_settings: Callable[..., None]) -> None:
    change_settings(phone.app, upload_bytes=2000)
    assert phone.post("/try-uploads", data={"file": part(b"x" * 1500)}).status_code == 201
    answer = phone.post("/try-uploads", data={"file": part(b"x" * 2001)})
    assert (answer.status_code, answer.get_json()["code"]) == (413, "body_too_large")


def test_the_limit_counts_for_a_body_without_a_length(phone: ApiClient, change_settings: Callable[..., None]) -> None:
    change_settings(phone.app, upload_bytes=2000)
    for size, status in ((1500, 201), (2000, 413), (5000, 413)):
        whole = body("b", ('name="file"; filename="a"', b"x" * size))
        answer = phone.post(
            "/try-uploads",
            input_stream=io.BytesIO(whole["data"]),
            content_type=whole["content_type"],
            environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
        )
        assert answer.status_code == status


def test_the_default_limit_is_ten_mebibytes(phone: ApiClient) -> None:
    large = 10 * 1024 * 1024
    for size, status in ((large - 1000, 201), (large, 413)):
        whole = body("b", ('name="file"; filename="a"', b"x" * size))
        assert phone.post("/try-uploads", **whole).status_code == status


def test_nobody_signed_in(phone: ApiClient) -> None:
    answer = ApiClient(phone.app).post("/try-uploads", data={"file": part()})
    assert answer.status_code == 401


def test_a_replay_is_known_by_the_file_whatever_its_boundary(phone: ApiClient) -> None:
    one = ('name="file"; filename="a"', CONTENT)
    first = phone.post("/try-keyed-uploads", key="k1", **body("first", one))
    again = phone.post("/try-keyed-uploads", key="k1", **body("second", one))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.get_json() == first.get_json()
    other = phone.post("/try-keyed-uploads", key="k1", **body("first", ('name="file"; filename="a"', b"other")))
    assert (other.status_code, other.get_json()["code"]) == (422, "idempotency_key_reused")
    fresh = phone.post("/try-keyed-uploads", key="k2", **body("first", one))
    assert fresh.get_json()["token"] != first.get_json()["token"]
    assert phone.post("/try-keyed-uploads", **body("b", one)).get_json()["code"] == "idempotency_key_missing"


def test_a_key_of_another_route_or_person_is_another_key(phone: ApiClient) -> None:
    one = ('name="file"; filename="a"', CONTENT)
    first = phone.post("/try-keyed-uploads", key="k1", **body("b", one))
    assert phone.post("/try-uploads", key="k1", **body("b", one)).get_json()["code"] == "idempotency_key_reused"
    theirs = ApiClient(phone.app).as_(make_volunteer()).post("/try-keyed-uploads", key="k1", **body("b", one))
    assert theirs.get_json()["token"] != first.get_json()["token"]


def test_a_download_to_save(phone: ApiClient) -> None:
    answer = phone.get("/try-downloads/saved")
    assert (answer.status_code, answer.data, answer.mimetype) == (200, CONTENT, PDF)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "X-Evil" not in answer.headers
    name = answer.headers["Content-Disposition"]
    assert name.startswith("attachment; filename*=UTF-8''%E8%AF%81%E4%B9%A6%20%222026%22%3B")
    assert not set(name) & set('\r\n"')
    # A slash is no character of such a value, nor of a file's name.
    assert name.count("/") == 0


def test_a_download_to_keep(phone: ApiClient) -> None:
    answer = phone.get("/try-downloads/kept")
    assert answer.headers["Cache-Control"] == "private, max-age=3600, immutable"
    assert "Content-Disposition" not in answer.headers
    again = phone.get("/try-downloads/kept", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_what_is_made_late_is_made_when_the_unit_has_ended(phone: ApiClient) -> None:
    answer = phone.get("/try-downloads/late")
    assert (answer.status_code, answer.data) == (200, b"after")
    assert answer.headers["ETag"] != phone.get("/try-downloads/other").headers["ETag"]
    assert phone.get("/try-downloads/late", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
