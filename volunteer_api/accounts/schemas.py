"""The payloads of sign-in, registration and one's own data."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import post_load, validates_schema

from volunteer_api.accounts.ages import is_under_age
from volunteer_api.accounts.categories import Category
from volunteer_api.accounts.consent_texts import REQUIRED_KINDS, ConsentKind, current_texts
from volunteer_api.accounts.models import CodePurpose
from volunteer_api.accounts.resident_numbers import normalized
from volunteer_api.core import clock
from volunteer_api.core.codes import fold
from volunteer_api.core.schema import (
    UNPRINTABLE,
    Choice,
    Count,
    Day,
    Flag,
    Form,
    Id,
    ListOf,
    Moment,
    Nested,
    Open,
    Phone,
    Schema,
    Text,
    fault,
)
from volunteer_api.files.schemas import FileRead

CODE = Form(r"^[0-9]{6}$", "123456")
VOLUNTEER_NUMBER = Form(r"^[2-9A-HJKMNP-Za-hjkmnp-z]{10}$", "TU3225QQUF")
DIVISION = Form(r"^[0-9]{4,12}$", "410403003")


class Password(Text):
    """A password as it was typed: no trimming; two ways to write one text (NFKC) are the same."""

    def __init__(self, *, min_length: int = 1, **options: Any) -> None:
        super().__init__(min_length=min_length, max_length=128, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("not_text")
        if UNPRINTABLE.search(value):
            raise self.make_error("unprintable")
        # The bound first: normalizing may make one character eighteen.
        if len(value) > self.max_length:
            raise self.make_error("max_length", max=self.max_length)
        text = unicodedata.normalize("NFKC", value)
        if len(text) < self.min_length:
            raise self.make_error("min_length", min=self.min_length)
        return text


class NewPassword(Password):
    """8 to 128 characters of any kind."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_length=8, **options)


class CodeRequest(Schema):
    """`device_id` gives a device that was signed in before its own allowance of codes."""

    phone = Phone(required=True)
    purpose = Choice(CodePurpose, required=True)
    device_id = Text(max_length=100)


class CodeSentRead(Schema):
    expires_in_seconds = Count(required=True)
    retry_after_seconds = Count(required=True)


class DeviceFields(Schema):
    """A phone: `id` is made by the app once and kept; `platform` is like android, ios, harmony."""

    id = Text(max_length=100, required=True)
    name = Text(max_length=100, required=True)
    platform = Text(max_length=40, required=True)


class ResidentNumber(Text):
    """18 characters; full-width ones, spaces and a lower-case x are made plain. The number itself is told nobody."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=40, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        number = normalized(str(super()._deserialize(value, attr, data, **kwargs)))
        if number is None:
            raise fault("not_resident_id", "This is not a resident ID number.")
        return number


class VolunteerNumber(Text):
    """The number on a volunteer's card: ten letters and digits, however they are typed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=10, form=VOLUNTEER_NUMBER, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return str(super()._deserialize(fold(value) if isinstance(value, str) else value, attr, data, **kwargs))


class SecondFact(Schema):
    """What an account's owner knows, where its number was not proven for long: one of the `ways` of the answer before.

    That is the password, the resident ID, or the name with the date of birth or the volunteer number.
    """

    password = Password()
    resident_id = ResidentNumber()
    name = Text(max_length=60)
    birth_date = Day()
    volunteer_number = VolunteerNumber()

    @validates_schema
    def check_any(self, data: dict[str, Any], **_options: Any) -> None:
        """At least one."""
        if not data:
            raise fault("required", "This is required.", "name")


class ContactFields(Schema):
    """Whom to call: somebody who needs no account."""

    name = Text(max_length=60, required=True)
    phone = Phone(required=True)


class GuardianFields(ContactFields):
    """`code` went to the guardian's own phone, for the purpose `guardian`."""

    code = Text(max_length=6, form=CODE, required=True)


class SignIn(Schema):
    """Exactly one of `code` and `password`, and of `phone` and `volunteer_number`; a code goes with a phone.

    `second_fact` and `guardian` only where the answer before asked for it.
    """

    phone = Phone()
    volunteer_number = VolunteerNumber()
    code = Text(max_length=6, form=CODE)
    password = Password()
    device = Nested(DeviceFields, required=True)
    second_fact = Nested(SecondFact)
    guardian = Nested(GuardianFields)

    @validates_schema
    def check_one(self, data: dict[str, Any], **_options: Any) -> None:
        """Exactly one of each."""
        require_one_of(data, "phone", "volunteer_number")
        require_one_of(data, "code", "password")
        if "volunteer_number" in data and "code" in data:
            raise fault("required", "This is required.", "password")


class Recovery(Schema):
    """For an account without a number. `code` went to the new `phone`, for the purpose `change_phone`."""

    volunteer_number = VolunteerNumber(required=True)
    name = Text(max_length=60, required=True)
    resident_id = ResidentNumber(required=True)
    phone = Phone(required=True)
    code = Text(max_length=6, form=CODE, required=True)
    replaces_former_owner = Flag(
        metadata={"description": "The number was somebody else's: taken where it was not proven for long."}
    )


class WardQuery(Schema):
    """`code` went to the guardian's own phone, for the purpose `guardian`."""

    phone = Phone(required=True)
    code = Text(max_length=6, form=CODE, required=True)


class GuardianWithdrawal(WardQuery):
    """For whom the guardian consents no more; `names` has their whole names, where the answer before asked for them."""

    volunteer_numbers = ListOf(VolunteerNumber(), min_length=1, max_length=20, required=True)
    names = ListOf(Text(max_length=60), min_length=1, max_length=20)

    @post_load
    def name_once(self, data: dict[str, Any], **_options: Any) -> dict[str, Any]:
        """Whoever is named twice is meant once."""
        return data | {"volunteer_numbers": list(dict.fromkeys(data["volunteer_numbers"]))}


class WardRead(Schema):
    """`name` is masked (王*); `erases_at` is when the account goes unless a guardian consents before.

    `birth_year` tells the children of one family apart.
    """

    volunteer_number = Text(required=True)
    name = Text(required=True)
    birth_year = Count(required=True, allow_none=True)
    consented_at = Moment(required=True)
    withdrawn_at = Moment(required=True, allow_none=True)
    erases_at = Moment(required=True, allow_none=True)


class PhoneProof(Schema):
    """That a phone is in its owner's hand."""

    phone = Phone(required=True)
    code = Text(max_length=6, form=CODE, required=True)
    device = Nested(DeviceFields, required=True)


class PasswordChange(Schema):
    """Signed in: one of `current_password` and `code`. Not signed in: `phone` and `code`.

    The code's purpose is `reset`. `device` gives somebody who is not signed in the own allowance of tries.
    """

    new_password = NewPassword(required=True)
    current_password = Password()
    code = Text(max_length=6, form=CODE)
    phone = Phone()
    device = Nested(DeviceFields)
    second_fact = Nested(SecondFact)

    @validates_schema
    def check_one(self, data: dict[str, Any], **_options: Any) -> None:
        """Exactly one."""
        require_one_of(data, "code", "current_password")


class PhoneChange(Schema):
    """`code` went to the new `phone`, `current_code` to the number until now; the purpose of both is `change_phone`.

    `resident_id` only where the answer before asked for it: for an account without a number.
    """

    phone = Phone(required=True)
    code = Text(max_length=6, form=CODE, required=True)
    password = Password()
    current_code = Text(max_length=6, form=CODE)
    resident_id = ResidentNumber()
    replaces_former_owner = Flag(
        metadata={"description": "The number was somebody else's: taken where it was not proven for long."}
    )


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


class Registration(PhoneProof, ConsentList):
    """Under 14 a `guardian` consents with a code; from 14 to 17 a `guardian_contact` is enough.

    Whoever names a `guardian` gives the consent of kind `guardian`, which is hers, beside her own.
    """

    password = NewPassword()
    replaces_former_owner = Flag()
    guardian = Nested(GuardianFields)
    guardian_contact = Nested(ContactFields)
    name = Text(max_length=60, required=True)
    birth_date = Day(allow_none=True)
    home_division = Text(max_length=12, form=DIVISION, allow_none=True)

    @validates_schema
    def check_birth_date(self, data: dict[str, Any], **_options: Any) -> None:
        """Nobody is born tomorrow."""
        check_birth_date(data)

    @validates_schema
    def check_guardian(self, data: dict[str, Any], **_options: Any) -> None:
        """Only minors name a guardian, and nobody is one's own."""
        for name in ("guardian", "guardian_contact"):
            if data.get(name) is None:
                continue
            if not is_under_age(data.get("birth_date"), clock.today()):
                raise fault("not_minor", "Only minors name a guardian.", name)
            if data[name]["phone"] == data["phone"]:
                raise fault("own_phone", "A guardian's phone is another than one's own.", name)
        kinds = {consent["kind"] for consent in data["consents"]}
        if data.get("guardian") is not None and ConsentKind.GUARDIAN not in kinds:
            raise fault("consent_required", "The guardian's consent to the rules for minors is missing.", "consents")


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


class ContactRead(Schema):
    name = Text(required=True)
    phone = Text(required=True)


class MeRead(Schema):
    id = Id(required=True)
    version = Count(required=True)
    volunteer_number = Text(required=True)
    name = Text(required=True)
    phone = Text(required=True, allow_none=True)
    birth_date = Day(required=True, allow_none=True)
    home_division = Text(required=True, allow_none=True)
    created_at = Moment(required=True)
    erases_at = Moment(required=True, allow_none=True)
    skills = ListOf(Text(), required=True)
    service_categories = ListOf(Choice(Category), required=True)
    photo = Nested(FileRead, required=True, allow_none=True)
    resident_id = Text(required=True, allow_none=True, metadata={"description": "Like 410***********1234."})
    emergency_contact = Nested(ContactRead, required=True, allow_none=True)
    guardian_contact = Nested(ContactRead, required=True, allow_none=True)
    guardian = Nested(ContactRead, required=True, allow_none=True, metadata={"description": "The phone is masked."})


class MeUpdate(Schema):
    """null clears; a name can't be cleared.

    `guardian_code` went to the guardian's phone, for the purpose `guardian`: only where a minor's date of birth becomes
    an earlier one with less protection.
    """

    name = Text(max_length=60)
    birth_date = Day(allow_none=True)
    home_division = Text(max_length=12, form=DIVISION, allow_none=True)
    skills = ListOf(Text(max_length=30), max_length=20, allow_none=True)
    service_categories = ListOf(Choice(Category), max_length=len(Category), allow_none=True)
    photo_id = Id(allow_none=True)
    emergency_contact = Nested(ContactFields, allow_none=True)
    guardian_contact = Nested(ContactFields, allow_none=True)
    guardian_code = Text(max_length=6, form=CODE)

    @validates_schema
    def check_birth_date(self, data: dict[str, Any], **_options: Any) -> None:
        """Nobody is born tomorrow."""
        check_birth_date(data)

    @validates_schema
    def check_lists(self, data: dict[str, Any], **_options: Any) -> None:
        """Nothing is named twice."""
        for name in ("skills", "service_categories"):
            values = data.get(name) or []
            if len(set(values)) < len(values):
                raise fault("repeated", "This is given more than once.", name)


class ResidentIdUpdate(Schema):
    resident_id = ResidentNumber(required=True)


class ConsentTextRead(Schema):
    """`required` of everybody; that of kind `guardian` is so of who registers with a guardian."""

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
    """`available_from` is the day from which it can be given, null where it can be now: a minor is not named."""

    given_version = Text(required=True, allow_none=True)
    given_at = Moment(required=True, allow_none=True)
    available_from = Day(required=True, allow_none=True)


class ErasureRequest(Schema):
    """Exactly one: `code`, or for an account without a number one of the `facts` of the answer before."""

    code = Text(max_length=6, form=CODE)
    password = Password()
    resident_id = ResidentNumber()

    @validates_schema
    def check_one(self, data: dict[str, Any], **_options: Any) -> None:
        """Exactly one."""
        require_one_of(data, "code", "password", "resident_id")


class ErasureRead(Schema):
    erases_at = Moment(required=True)


class WholeExport(Schema):
    """Exactly one; the code's purpose is `export`, and `resident_id` is for an account without a number."""

    password = Password()
    code = Text(max_length=6, form=CODE)
    resident_id = ResidentNumber()

    @validates_schema
    def check_one(self, data: dict[str, Any], **_options: Any) -> None:
        """Exactly one."""
        require_one_of(data, "code", "password", "resident_id")


class ExportRead(Schema):
    """`sections` has lists of flat rows by the name of what is known; `truncated` names those cut at 10,000 rows."""

    as_of = Moment(required=True)
    sections = Open(required=True)
    truncated = ListOf(Text(), max_length=1000, required=True)


def require_one_of(data: Mapping[str, Any], *names: str) -> None:
    """Raise a fault where not exactly one of the members is given."""
    given = [name for name in names if name in data]
    if not given:
        raise fault("required", "This is required.", names[0])
    if len(given) > 1:
        raise fault("one_too_many", "Only one of these can be given.", given[1])


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
        raise fault(
            "consent_required",
            "An account needs consent to the terms and to the privacy rules; only its erasure takes it back.",
            "consents",
        )
