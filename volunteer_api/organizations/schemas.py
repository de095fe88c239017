"""Payloads of organizations, divisions and grants."""

from enum import StrEnum
from typing import Any

from marshmallow import validates_schema

from volunteer_api.core.audit import AuditAction
from volunteer_api.core.schema import (
    Choice,
    Count,
    Flag,
    FlagParameter,
    Form,
    Id,
    ListOf,
    Moment,
    MomentOrDay,
    Nested,
    Open,
    PageQuery,
    Phone,
    Schema,
    Text,
    fault,
)
from volunteer_api.organizations.models import DivisionLevel, OrganizationKind, Role, ScopeType

DIVISION_CODE = Form(r"^[0-9]{2,12}$", "410403")


class HeldRole(StrEnum):
    """Everything that somebody can hold: granted roles, and those of a team's membership."""

    ADMINISTRATOR = "administrator"
    ORGANIZER = "organizer"
    INSPECTOR = "inspector"
    AUDITOR = "auditor"
    STATION_MANAGER = "station_manager"
    LEADER = "leader"
    DEPUTY = "deputy"


class HeldScopeType(StrEnum):
    ORGANIZATION = "organization"
    STATION = "station"
    TEAM = "team"


class DivisionFilter(PageQuery):
    """`parent` is the code of the division above."""

    parent = Text(max_length=12, form=DIVISION_CODE)
    q = Text(
        max_length=50,
        metadata={"description": "How the code, the initials (wyl) or the pinyin begins, or a part of the name."},
    )


class DivisionRead(Schema):
    code = Text(required=True)
    parent_code = Text(required=True, allow_none=True)
    level = Choice(DivisionLevel, required=True)
    name = Text(required=True)


class OrganizationFilter(PageQuery):
    """`division` takes in everything that lies in it."""

    parent_id = Id()
    kind = Choice(OrganizationKind)
    division = Text(max_length=12, form=DIVISION_CODE)
    closed = FlagParameter(metadata={"description": "Show the closed ones too."})
    q = Text(
        max_length=50, metadata={"description": "How the initials (wyl) or the pinyin begins, or a part of the name."}
    )


class OrganizationCreate(Schema):
    parent_id = Id(required=True)
    kind = Choice(OrganizationKind, required=True)
    name = Text(max_length=100, required=True)
    division_code = Text(max_length=12, form=DIVISION_CODE, allow_none=True, load_default=None)
    resident_count = Count(allow_none=True, load_default=None)


class OrganizationUpdate(Schema):
    """Another `parent_id` moves the organization with all that stands below it."""

    name = Text(max_length=100)
    parent_id = Id()
    division_code = Text(max_length=12, form=DIVISION_CODE, allow_none=True)
    resident_count = Count(allow_none=True)


class OrganizationMerging(Schema):
    into_id = Id(required=True)


class OrganizationClosingCreate(Schema):
    reason = Text(max_length=500, required=True)


class OrganizationRead(Schema):
    """An organization. `resident_count` is how many people live in its area, null where nobody said it."""

    id = Id(required=True)
    version = Count(required=True)
    parent_id = Id(required=True, allow_none=True)
    kind = Choice(OrganizationKind, required=True)
    name = Text(required=True)
    division_code = Text(required=True, allow_none=True)
    resident_count = Count(required=True, allow_none=True)
    closed_at = Moment(required=True, allow_none=True)
    closing_reason = Text(required=True, allow_none=True)
    merged_into_id = Id(required=True, allow_none=True)


class DryRunQuery(Schema):
    """A dry run is refused as the real one would be, and changes nothing."""

    dry_run = FlagParameter(load_default=False)


class OrganizationReopening(Schema):
    """Where it stands from then on; left out, where it stood, or beside what it was merged into."""

    parent_id = Id()


class HoldingRead(Schema):
    """Things of one kind, like `stations`: how many, and what up to twenty of them are called.

    What does not go over (`activities`) stays with the organization, for whoever organizes the successor to finish.
    """

    what = Text(required=True)
    count = Count(required=True)
    names = ListOf(Text(), required=True, max_length=20)
    goes_over = Flag(required=True)


class HolderRead(Schema):
    id = Id(required=True)
    name = Text(required=True)


class EndingGrantRead(Schema):
    role = Choice(Role, required=True)
    volunteer = Nested(HolderRead, required=True)


class LapsingGrantRead(Schema):
    role = Choice(Role, required=True)
    masked_phone = Text(required=True)
    expires_at = Moment(required=True)


class ConsequencesRead(Schema):
    """What a merger would do: what goes over or stays, whose roles end, and which wait for a phone and lapse."""

    holdings = ListOf(Nested(HoldingRead), required=True, max_length=20)
    ending_grants = ListOf(Nested(EndingGrantRead), required=True, max_length=1000)
    lapsing_grants = ListOf(Nested(LapsingGrantRead), required=True, max_length=1000)


class OrganizationMergedRead(OrganizationRead):
    """`consequences` is told by a dry run only, whose organization is as it was."""

    consequences = Nested(ConsequencesRead, required=True, allow_none=True)


class ScopeCreate(Schema):
    type = Choice(ScopeType, required=True)
    id = Id(required=True)


class GrantCreate(Schema):
    """Who is meant comes as exactly one of `volunteer_id` and `phone`."""

    volunteer_id = Id()
    phone = Phone()
    role = Choice(Role, required=True)
    scope = Nested(ScopeCreate, required=True)

    @validates_schema
    def one_person(self, data: dict[str, Any], **_: Any) -> None:
        if ("volunteer_id" in data) == ("phone" in data):
            raise fault("one_person", "Give either volunteer_id or phone.", "volunteer_id")


class GrantFilter(PageQuery):
    """`organization_id` takes in its whole subtree; without it, everything that the caller may grant is listed."""

    organization_id = Id()
    volunteer_id = Id()


class ScopeRead(Schema):
    type = Choice(ScopeType, required=True)
    id = Id(required=True)
    name = Text(required=True)


class HeldScopeRead(Schema):
    type = Choice(HeldScopeType, required=True)
    id = Id(required=True)
    name = Text(required=True)


class GrantState(StrEnum):
    GRANTED = "granted"
    PENDING = "pending"


class GranteeRead(Schema):
    """Who is unknown while a grant waits for a phone, and in the answer to a grant by phone, has no id and no name."""

    id = Id(required=True, allow_none=True)
    name = Text(required=True, allow_none=True)
    phone = Text(required=True, metadata={"description": "Masked, like 138****0001."})


class GrantRead(Schema):
    """`state` is null in the answer to a grant by phone, which doesn't tell whether the phone is registered."""

    id = Id(required=True)
    role = Choice(Role, required=True)
    scope = Nested(ScopeRead, required=True)
    volunteer = Nested(GranteeRead, required=True)
    granted_at = Moment(required=True)
    state = Choice(GrantState, required=True, allow_none=True)
    expires_at = Moment(
        required=True, allow_none=True, metadata={"description": "Until when a pending one waits for its phone."}
    )


class HeldRoleRead(Schema):
    role = Choice(HeldRole, required=True)
    scope = Nested(HeldScopeRead, required=True)


class HeldGrantRead(HeldRoleRead):
    """One of the roles that somebody holds by a grant."""

    id = Id(required=True)


class AuditFilter(PageQuery):
    """`organization_id` takes in its whole subtree.

    Of local days `from` and `to` are both included; of moments `from` is, and `to` is not.
    """

    action = Choice(AuditAction)
    actor_id = Id()
    subject_id = Id()
    organization_id = Id()
    since = MomentOrDay(data_key="from")
    until = MomentOrDay(data_key="to", to_the_end=True)


class AuditPersonRead(Schema):
    id = Id(required=True)
    name = Text(required=True, metadata={"description": "Whole for who acted, masked like 王* for whom it concerns."})


class AuditEntryRead(Schema):
    """`network` is the caller's address without its last part; `details` are codes and ids."""

    id = Id(required=True)
    at = Moment(required=True)
    action = Choice(AuditAction, required=True)
    actor = Nested(AuditPersonRead, required=True, allow_none=True)
    subject = Nested(AuditPersonRead, required=True, allow_none=True)
    organization_id = Id(required=True, allow_none=True)
    network = Text(required=True, allow_none=True)
    request_id = Text(required=True, allow_none=True)
    details = Open(required=True)


class OwnAuditEntryRead(Schema):
    """What was done with the caller's account or data. `actor` is a masked name (王*), null where nobody is known."""

    id = Id(required=True)
    at = Moment(required=True)
    action = Choice(AuditAction, required=True)
    by_me = Flag(required=True)
    actor = Text(required=True, allow_none=True)
    network = Text(required=True, allow_none=True)
