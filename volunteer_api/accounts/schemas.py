"""The payloads of sign-in, registration and one's own data."""

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import validates_schema

from volunteer_api.accounts.consent_texts import REQUIRED_KINDS, ConsentKind, current_texts
from volunteer_api.accounts.models import CodePurpose
from volunteer_api.core import clock
from volunteer_api.core.schema import (
    Choice,
    Count,
    Day,
    Flag,
    Id,
    ListOf,
    Moment,
    Nested,
    Phone,
    Schema,
    Text,
    fault,
)

CODE = r"^[0-9]{6}$"
DIVISION = r"^[0-9]{4,12}$"


class CodeRequest(Schema):
    phone = Phone(required=True)
    purpose = Choice(CodePurpose, required=True)


class CodeSentRead(Schema):
    expires_in_seconds = Count(required=True)
    retry_after_seconds = Count(required=True)


class DeviceFields(Schema):
    """A phone: `id` is made by the app once and kept; `platform` is like android, ios, harmony."""

    id = Text(max_length=100, required=True)
    name = Text(max_length=100, required=True)
    platform = Text(max_length=40, required=True)


class SignIn(Schema):
    phone = Phone(required=True)
    code = Text(max_length=6, pattern=CODE, required=True)
    device = Nested(DeviceFields, required=True)


class ConsentGiven(Schema):
    kind = Choice(ConsentKind, required=True)
    version = Text(max_length=20, required=True)


class ConsentList(Schema):
    """The whole of what somebody consents to, each in its current version."""

    consents = ListOf(Nested(ConsentGiven), max_length=20, required=True)

    @validates_schema
    def check_consents(self, data: dict[str, Any], **_options: Any) -> None:
        """Every consent is to a text in force, given once, and the required ones are there."""
        check_consents(data["consents"])


class Registration(SignIn, ConsentList):
    name = Text(max_length=60, required=True)
    birth_date = Day(allow_none=True)
    home_division = Text(max_length=12, pattern=DIVISION, allow_none=True)

    @validates_schema
    def check_birth_date(self, data: dict[str, Any], **_options: Any) -> None:
        """Nobody is born tomorrow."""
        check_birth_date(data)


class RefreshRequest(Schema):
    refresh_token = Text(max_length=200, required=True)


class VolunteerBrief(Schema):
    id = Id(required=True)
    name = Text(required=True)
    volunteer_number = Text(required=True)


class TokensRead(Schema):
    access_token = Text(max_length=2000, required=True)
    refresh_token = Text(required=True)
    expires_in = Count(required=True)
    volunteer = Nested(VolunteerBrief, required=True)


class SessionRead(Schema):
    id = Id(required=True)
    device = Nested(DeviceFields, required=True)
    created_at = Moment(required=True)
    last_used_at = Moment(required=True)
    is_current = Flag(required=True)


class MeRead(Schema):
    id = Id(required=True)
    version = Count(required=True)
    volunteer_number = Text(required=True)
    name = Text(required=True)
    phone = Text(required=True)
    birth_date = Day(required=True, allow_none=True)
    home_division = Text(required=True, allow_none=True)
    created_at = Moment(required=True)


class MeUpdate(Schema):
    """null clears; a name can't be cleared."""

    name = Text(max_length=60)
    birth_date = Day(allow_none=True)
    home_division = Text(max_length=12, pattern=DIVISION, allow_none=True)

    @validates_schema
    def check_birth_date(self, data: dict[str, Any], **_options: Any) -> None:
        """Nobody is born tomorrow."""
        check_birth_date(data)


class ConsentTextRead(Schema):
    kind = Choice(ConsentKind, required=True)
    version = Text(required=True)
    required = Flag(required=True)
    url = Text(max_length=2000, required=True)


class ConsentTextFull(Schema):
    """`text` is Markdown in Chinese."""

    kind = Choice(ConsentKind, required=True)
    version = Text(required=True)
    required = Flag(required=True)
    title = Text(required=True)
    text = Text(max_length=100_000, required=True)


class ConsentRead(ConsentTextRead):
    given_version = Text(required=True, allow_none=True)
    given_at = Moment(required=True, allow_none=True)


def check_birth_date(data: Mapping[str, Any]) -> None:
    """Raise a fault for a day that has not come yet."""
    if data.get("birth_date") is not None and data["birth_date"] > clock.today():
        raise fault("in_future", "This day has not come yet.", "birth_date")


def check_consents(consents: Sequence[Mapping[str, Any]]) -> None:
    """Raise a fault where one is repeated, one is to a text not in force, or a required one is missing."""
    kinds = [consent["kind"] for consent in consents]
    if len(set(kinds)) < len(kinds):
        raise fault("repeated", "A consent is given more than once.", "consents")
    if any(consent["version"] != current_texts()[consent["kind"]].version for consent in consents):
        raise fault("version_not_current", "A consent names a version that is not the current one.", "consents")
    if not set(REQUIRED_KINDS) <= set(kinds):
        raise fault("consent_required", "Consent to the terms and to the privacy rules is needed.", "consents")
