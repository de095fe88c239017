"""What a browser shows of an invitation's address."""

import re

import pytest

from tests.conftest import ApiClient
from tests.factories import make_volunteer
from tests.organizations.factories import make_organization
from tests.teams.factories import make_team

# What is judged is the page.
pytestmark = pytest.mark.either_database

CODE = "ABCDEFGH23"


@pytest.mark.parametrize(
    ("language", "title"), [("zh-CN", "邀请您加入志愿服务队"), ("en", "Invitation to a volunteer team")]
)
def test_it_says_what_the_code_is_for(client: ApiClient, language: str, title: str) -> None:
    answer = client.at_root.get(f"/c/j/{CODE}", headers={"Accept-Language": language})
    text = answer.get_data(as_text=True)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert title in text
    assert f"<code>{CODE}</code>" in text
    assert f'lang="{language}"' in text
    assert answer.headers["Content-Language"] == language


def test_it_is_inert(client: ApiClient) -> None:
    answer = client.at_root.get(f"/c/j/{CODE}")
    text = answer.get_data(as_text=True)
    assert not re.search(r"<script|<img|<link|<form|<a |href=|src=|url\(", text)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


def test_it_tells_nothing_of_teams(client: ApiClient) -> None:
    """A code that opens a team gives the same page as one that opens none."""
    leader = make_volunteer()
    team = make_team(organization_id=make_organization().id, leader=leader, name="鹰城大妈")
    live = client.as_(leader).post(f"/teams/{team.id}/invitation-codes", json={}).json
    assert live["url"].endswith(f"/c/j/{live['code']}")
    pages = [
        client.at_root.get(f"/c/j/{code}").get_data(as_text=True).replace(code, "") for code in (live["code"], CODE)
    ]
    assert pages[0] == pages[1]
    assert "鹰城大妈" not in pages[0]


def test_small_letters_are_the_same(client: ApiClient) -> None:
    assert f"<code>{CODE}</code>" in client.at_root.get(f"/c/j/{CODE.lower()}").get_data(as_text=True)


@pytest.mark.parametrize(
    "code", ["x", "ABCDEFGH230", "ABCDEFGH2O", "<script>al", "%3Cb%3Eabc%3C", "ＡＢＣＤＥＦＧＨ２３", "a/b"]
)
def test_what_is_no_code_has_no_page(client: ApiClient, code: str) -> None:
    answer = client.at_root.get(f"/c/j/{code}")
    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"
