"""Makers of what tests of sign-in need."""

import re
from typing import Any

import pytest

from volunteer_api.accounts.consent_texts import REQUIRED_KINDS, current_texts

PHONE = "+8613900001234"
DEVICE = {"id": "phone-1", "name": "红米", "platform": "android"}


def current_consents() -> list[dict[str, str]]:
    """What a registration must consent to."""
    return [{"kind": kind.value, "version": current_texts()[kind].version} for kind in REQUIRED_KINDS]


def registration(code: str, **changes: Any) -> dict[str, Any]:
    """A body of `POST /auth/register` that is accepted."""
    return {
        "phone": PHONE,
        "code": code,
        "name": "王秀英",
        "birth_date": "1958-03-08",
        "home_division": "410403001",
        "consents": current_consents(),
        "device": DEVICE,
    } | changes


def sent_code(capsys: pytest.CaptureFixture[str], phone: str = PHONE, purpose: str = "access") -> str:
    """The code that the console sender printed last for this phone."""
    line = rf"^code (\d{{6}}) for {re.escape(phone)} \({purpose}\)$"
    return str(re.findall(line, capsys.readouterr().out, re.MULTILINE)[-1])


def ask_code(
    client: Any, capsys: pytest.CaptureFixture[str], phone: str = PHONE, purpose: str = "access", **members: Any
) -> str:
    """Ask for a code by HTTP and read it from the console."""
    answer = client.post("/auth/codes", json={"phone": phone, "purpose": purpose} | members)
    assert answer.status_code == 202, answer.json
    return sent_code(capsys, phone, purpose)


def wrong(code: str) -> str:
    """Another code."""
    return f"{(int(code) + 1) % 10**6:06d}"


def sign_up_person(client: Any, capsys: pytest.CaptureFixture[str], **changes: Any) -> Any:
    """The tokens of a fresh account."""
    answer = client.post("/auth/register", json=registration(ask_code(client, capsys), **changes))
    assert answer.status_code == 201, answer.json
    return answer.json


def bearer(tokens: Any) -> dict[str, str]:
    """The header of a signed-in request."""
    return {"Authorization": f"Bearer {tokens['access_token']}"}
