"""What certificates, star levels and exports take and answer."""

from enum import StrEnum
from typing import Any

from marshmallow import fields, validates_schema

from volunteer_api.certificates.models import Revocation, StarState
from volunteer_api.core.schema import (
    Choice,
    Count,
    Day,
    Flag,
    Id,
    ListOf,
    Moment,
    Nested,
    PageQuery,
    Schema,
    Text,
    fault,
)


class PaperLanguage(StrEnum):
    """A certificate is made in one of these."""

    CHINESE = "zh-CN"
    ENGLISH = "en"


class VerificationState(StrEnum):
    """What the public is told of a number."""

    VALID = "valid"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


class CertificateCreate(Schema):
    """The local days to look for service in, both included; `to` is today at the latest.

    Without `organization_id` the hours must all have been recorded by one organization.
    """

    first = Day(data_key="from", required=True)
    last = Day(data_key="to", required=True)
    organization_id = Id()
    with_resident_id = Flag(
        load_default=False, metadata={"description": "Whether the masked resident ID stands on it; false if left out."}
    )

    @validates_schema
    def check_period(self, data: dict[str, Any], **_options: Any) -> None:
        if data["first"] > data["last"]:
            raise fault("period_reversed", "The first day lies behind the last.", "to")


class CertificateRead(Schema):
    """A certificate as it was issued; `from` and `to` are the days of its first and its last record.

    `root` vouches for its records from the night on in which they were sealed.
    """

    id = Id(required=True)
    number = Text(required=True, metadata={"description": "In groups of four, to be read aloud."})
    verify_url = Text(required=True, max_length=2000)
    organization_id = Id(required=True)
    organization_name = Text(required=True)
    starts_on = Day(data_key="from", required=True)
    ends_on = Day(data_key="to", required=True)
    credited_minutes = Count(required=True)
    issued_at = Moment(required=True)
    sealed_on = Day(required=True, allow_none=True)
    root = Text(required=True, allow_none=True)
    revoked_at = Moment(required=True, allow_none=True)
    revocation = Choice(Revocation, required=True, allow_none=True)


class PaperQuery(Schema):
    language = Choice(PaperLanguage, metadata={"description": "Where it is left out, Accept-Language chooses."})


class VerificationRead(Schema):
    """What everybody may know of a number. Whatever the number, the same members; null where there is nothing to tell.

    `masked_name` is like 王*. `root` is the root of the Merkle tree of the ledger's day `sealed_on`.
    """

    state = Choice(VerificationState, required=True)
    number = Text(required=True, allow_none=True)
    masked_name = Text(required=True, allow_none=True)
    credited_minutes = Count(required=True, allow_none=True)
    starts_on = Day(data_key="from", required=True, allow_none=True)
    ends_on = Day(data_key="to", required=True, allow_none=True)
    issuer = Text(required=True, allow_none=True)
    issued_on = Day(required=True, allow_none=True)
    revoked_on = Day(required=True, allow_none=True)
    revocation = Choice(Revocation, required=True, allow_none=True)
    sealed_on = Day(required=True, allow_none=True)
    root = Text(required=True, allow_none=True)


class ProofRead(Schema):
    """That a row of the ledger was there when its day was sealed (RFC 6962, section 2.1.1, SHA-256).

    Hash `leaf` (UTF-8) behind a zero byte, then with each of `path` behind a one byte, on the side that `index` and
    `size` say: the outcome is `root`, which stands on every certificate of that day. Digests are hexadecimal.
    """

    record_id = Id(required=True)
    on = Day(required=True)
    leaf = Text(required=True, max_length=100_000)
    index = Count(required=True)
    size = Count(required=True)
    path = ListOf(Text(), required=True)
    root = Text(required=True)


class StarLevelApply(Schema):
    """To an organization that recorded hours of yours."""

    organization_id = Id(required=True)


class StarLevelRead(Schema):
    """An application, or the level that came of it. `credited_minutes` are those of when it was applied for."""

    id = Id(required=True)
    organization_id = Id(required=True)
    level = Count(minimum=1, maximum=5, required=True)
    state = Choice(StarState, required=True)
    credited_minutes = Count(required=True, attribute="minutes")
    applied_at = Moment(required=True, attribute="created_at")
    decided_at = Moment(required=True, allow_none=True)
    withdrawn_at = Moment(required=True, allow_none=True)
    reason = Text(required=True, allow_none=True, max_length=500)


class StandingRead(Schema):
    """The star level that I hold (0: none), and how far it is to the next that my hours do not reach yet."""

    level = Count(maximum=5, required=True)
    held = Nested(StarLevelRead, required=True, allow_none=True)
    application = Nested(StarLevelRead, required=True, allow_none=True)
    credited_minutes = Count(minimum=-(2**31), required=True)
    earned_level = Count(maximum=5, required=True)
    next_level = Count(maximum=5, required=True, allow_none=True)
    missing_minutes = Count(required=True, allow_none=True)


class ApplicationFilter(PageQuery):
    state = Choice(StarState)


class ApplicationRead(StarLevelRead):
    """An application as the organization sees it."""

    volunteer_id = Id(required=True)
    volunteer_name = Text(required=True)
    volunteer_number = Text(required=True)
    organization_name = Text(required=True)


class Rejection(Schema):
    reason = Text(max_length=500, required=True)


class NationalExportCreate(Schema):
    """`with_resident_ids`: the numbers of those who consented to just that stand in the file; false if left out."""

    with_resident_ids = Flag(load_default=False)


class NationalExportRead(Schema):
    """A batch. `synced_at` is when somebody confirmed that the national system has it."""

    id = Id(required=True)
    organization_id = Id(required=True)
    created_by = Id(required=True)
    created_at = Moment(required=True)
    record_count = Count(required=True)
    with_resident_ids = fields.Boolean(required=True)
    synced_at = Moment(required=True, allow_none=True)
    synced_by = Id(required=True, allow_none=True)
