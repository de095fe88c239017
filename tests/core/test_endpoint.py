"""A request's way through: bodies, keys, versions, conditions, cursors, as every operation has them."""

import re
from typing import Any

import pytest
from flask import Flask

from tests.factories import make_volunteer
from tests.organizations.factories import make_district
from volunteer_api.core.access import Access
from volunteer_api.core.endpoint import NONE, endpoint, feature_blueprint


def test_a_route_without_access_is_a_type_error() -> None:
    blueprint = feature_blueprint("x", __name__, "")
    with pytest.raises(TypeError):
        endpoint(blueprint, "GET", "/x", returns=None)  # type: ignore[call-arg]  # that is the point
    with pytest.raises(TypeError):
        endpoint(blueprint, "GET", "/x", access=None)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(TypeError):
        endpoint(blueprint, "GET", "/x", access=Access(anonymous=True))(lambda thing: thing)


@pytest.mark.parametrize(
    ("method", "declared"),
    [
        ("POST", {}),
        ("GET", {"audits": True}),
        ("GET", {"produces": "text/csv"}),
        ("GET", {"in_units": True, "idempotency": NONE}),
        ("GET", {"access": Access(anonymous=False, load=lambda principal: principal)}),
    ],
)
def test_only_a_plain_list_learns_of_the_session_by_itself(method: str, declared: dict[str, Any]) -> None:
    blueprint = feature_blueprint("x", __name__, "")
    given = {"access": Access(anonymous=True)} | declared
    endpoint(blueprint, method, "/x", **given)
    with pytest.raises(TypeError, match="session is open"):
        endpoint(blueprint, method, "/x", learns_session=True, **given)


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing", "/api/v1/stations/not-an-id"])
def test_unknown_paths_speak_problem_json(app: Flask, path: str) -> None:
    answer = app.test_client().get(path)
    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"
    assert answer.get_json()["code"] == "not_found"


def test_a_wrong_method_names_the_right_ones(app: Flask) -> None:
    answer = app.test_client().delete("/api/v1/stations")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert answer.mimetype == "application/problem+json"


def test_bodies_are_judged_before_anything_else(app: Flask, client: Any) -> None:
    asking = app.test_client()
    path = "/api/v1/auth/codes"
    assert asking.post(path, data=b"x").status_code == 415
    assert asking.post(path, data=b"{", content_type="application/json").get_json()["code"] == "malformed_body"
    large = b'{"phone": "' + b"1" * (1024 * 1024) + b'"}'
    assert asking.post(path, data=large, content_type="application/json").status_code == 413
    assert asking.post(path + "?x=1", json={"phone": "13800000005", "purpose": "access"}).status_code == 422


def test_a_repeated_or_unknown_parameter_is_named(app: Flask) -> None:
    answer = app.test_client().get("/api/v1/stations?limit=1&limit=2")
    assert answer.get_json()["errors"][0]["code"] == "repeated"
    answer = app.test_client().get("/api/v1/stations?colour=red")
    assert answer.get_json()["errors"] == [
        {"pointer": "/colour", "code": "unknown", "detail": answer.get_json()["errors"][0]["detail"]}
    ]


@pytest.mark.parametrize("query", ["q=%FF%FE", "q=a&limit=%E4%BD", "q=%C0%80", "q=\xff"])
def test_a_query_that_is_no_utf_8_is_named(app: Flask, query: str) -> None:
    """On every route, whether it takes parameters or none."""
    pointer = "/limit" if "limit" in query else "/q"
    for path in ("/api/v1/stations", "/api/v1/consent-texts"):
        answer = app.test_client().get(path, environ_overrides={"QUERY_STRING": query})
        assert answer.status_code == 422
        told = [(one["pointer"], one["code"]) for one in answer.get_json()["errors"]]
        assert told == [(pointer, "not_text")]


def test_a_cursor_of_other_filters_is_refused(app: Flask) -> None:
    asking = app.test_client()
    for cursor in ("x", "WzFd.abc", "%E2%82%AC"):
        assert asking.get(f"/api/v1/stations?cursor={cursor}").get_json()["code"] == "invalid_cursor"


def test_a_read_is_tagged_and_answers_304(app: Flask, client: Any) -> None:
    reader = client.as_(make_volunteer())
    first = reader.get("/me")
    assert first.status_code == 200
    tag = first.headers["ETag"]
    assert tag.startswith('"1-')
    again = reader.get("/me", headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")


def test_an_edit_names_the_version_that_it_read(app: Flask, client: Any) -> None:
    editor = client.as_(make_volunteer())
    assert editor.patch("/me", json={"name": "新名"}).status_code == 428
    assert editor.patch("/me", json={"name": "新名"}, headers={"If-Match": '"7"'}).status_code == 412
    assert editor.patch("/me", json={"name": "新名"}, headers={"If-Match": '"1-abc:gzip"'}).status_code == 200
    assert editor.patch("/me", json={"name": "旧名"}, headers={"If-Match": '"1"'}).status_code == 412
    # A tag of another server, or of another release: of no version that is there.
    assert editor.patch("/me", json={"name": "旧名"}, headers={"If-Match": '"x"'}).status_code == 412


@pytest.mark.parametrize("tag", ["abc", "*", "2", '"1", "2"', '"1', ""])
def test_what_names_no_version_is_not_taken_for_a_stale_one(client: Any, tag: str) -> None:
    refusal = client.as_(make_volunteer()).patch("/me", json={"name": "新名"}, headers={"If-Match": tag})
    assert (refusal.status_code, refusal.get_json()["code"]) == (400, "if_match_invalid")


@pytest.mark.parametrize("coding", ["br", "gzip", "zstd"])
def test_the_contracts_if_match_takes_the_servers_own_tags(app: Flask, client: Any, coding: str) -> None:
    district = make_district()
    editor = client.as_(district.organizer)
    described = {"name": "鹰城大妈", "organization_id": str(district.office.id), "description": "清洁家园，" * 300}
    path = f"/teams/{editor.post('/teams', json=described).get_json()['id']}"
    answer = editor.get(path, headers={"Accept-Encoding": coding})
    tag = answer.headers["ETag"]
    assert answer.headers["Content-Encoding"] == coding
    contract = app.test_client().get("/openapi.json").get_json()
    [edit] = [edited["patch"] for path, edited in contract["paths"].items() if path.endswith("/teams/{team_id}")]
    [header] = [one for one in edit["parameters"] if one["name"] == "If-Match"]
    assert re.search(header["schema"]["pattern"], tag), tag
    assert editor.patch(path, json={"description": "短"}, headers={"If-Match": tag}).status_code == 200


@pytest.mark.parametrize(
    ("path", "by_caller"),
    [("/activities", True), ("/stations", False), ("/divisions?q=410403", False), ("/consent-texts", False)],
)
def test_an_answer_varies_only_by_what_it_looks_at(app: Flask, path: str, by_caller: bool) -> None:
    """A phone's cache takes a copy for another one's under another token, which comes every fifteen minutes."""
    answer = app.test_client().get(f"/api/v1{path}")
    assert answer.status_code == 200, answer.get_json()
    assert "Accept-Language" in answer.vary
    assert ("Authorization" in answer.vary) == by_caller


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("br", "br"),
        ("gzip, br;q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0, br;q=0, zstd;q=0", None),
        ("gzip;q=0, *;q=0.1", "zstd"),
        ("identity, gzip;q=0.5", None),
        ("nonsense;q=x", None),
    ],
)
def test_a_coding_that_is_refused_is_not_given(app: Flask, asked: str, answered: str | None) -> None:
    answer = app.test_client().get("/openapi.json", headers={"Accept-Encoding": asked})
    assert answer.headers.get("Content-Encoding") == answered
    assert "Accept-Encoding" in answer.vary


def test_nothing_is_not_compressed(app: Flask) -> None:
    answer = app.test_client().options("/api/v1/stations", headers={"Accept-Encoding": "br"})
    assert (answer.status_code, answer.data) == (200, b"")
    assert "Content-Encoding" not in answer.headers


def test_where_a_body_is_no_json_is_told_in_the_callers_language(app: Flask) -> None:
    def refused(body: bytes, language: str) -> Any:
        headers = {"Accept-Language": language}
        sent = app.test_client().post("/api/v1/auth/codes", data=body, content_type="application/json", headers=headers)
        assert sent.status_code == 400
        return sent.get_json()

    chinese, english = (refused(b'{"phone":', language) for language in ("zh-CN", "en"))
    assert chinese["detail"] == "请求内容不是合格的JSON（第1行第9列）。"
    assert english["detail"] == "The body is not valid JSON, at line 1, column 9."
    assert "EOF" in chinese["reason"]
    assert refused(b"[" * 40 + b"]" * 40, "zh-CN")["detail"] == "请求内容的嵌套超过32层。"


def test_a_blank_text_is_empty_and_not_shorter_than_one(app: Flask, client: Any) -> None:
    blank = client.as_(make_volunteer()).patch("/me", json={"name": "  "}, version=1)
    [error] = blank.get_json()["errors"]
    assert (error["code"], error["detail"]) == ("min_length", "不能为空。")


def test_of_parallel_edits_one_wins(postgresql_client: Any, race: Any) -> None:
    volunteer = make_volunteer()
    editors = [postgresql_client.as_(volunteer) for _ in range(8)]

    def edit(number: int) -> int:
        answer = editors[number].patch("/me", json={"name": f"名{number}"}, version=1)
        return int(answer.status_code)

    assert sorted(race(8, edit)) == [200] + [412] * 7


def test_a_verb_without_a_body_takes_an_empty_one_and_no_other(app: Flask, client: Any) -> None:
    caller = client.as_(make_volunteer())
    assert caller.post("/auth/sign-out", json={"x": 1}).get_json()["errors"][0]["pointer"] == "/x"
    assert caller.post("/auth/sign-out", data=b"x").status_code == 415
    assert caller.post("/auth/sign-out", json={}).status_code == 204


def test_a_body_of_faults_has_a_bounded_answer(app: Flask) -> None:
    asking = app.test_client()
    many = {f"k{number}": 1 for number in range(900)}
    answer = asking.post("/api/v1/auth/codes", json=many)
    assert answer.status_code == 422
    assert len(answer.get_json()["errors"]) == 100
    assert asking.post("/api/v1/auth/codes", json={f"k{n}": 1 for n in range(1001)}).status_code == 400


def test_any_version_is_known_to_if_none_match_star(app: Flask) -> None:
    asking = app.test_client()
    assert asking.get("/api/v1/stations", headers={"If-None-Match": "*"}).status_code == 304
    assert asking.get("/api/v1/stations", headers={"If-None-Match": '"*"'}).status_code == 200
