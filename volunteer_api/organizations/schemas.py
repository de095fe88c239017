"""Payloads of organizations, divisions and grants."""

from enum import StrEnum
from typing import Any

from marshmallow import validates_schema

from volunteer_api.core.schema import Choice, Count, Id, Moment, Nested, PageQuery, Phone, Schema, Text, fault
from volunteer_api.organizations.models import DivisionLevel, OrganizationKind, Role, ScopeType

DIVISION_CODE = r"^[0-9]{2,12}$"


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
    """`parent` is the code of the division above; `q` is any part of the name."""

    parent = Text(max_length=12, pattern=DIVISION_CODE)
    q = Text(max_length=50)


class DivisionRead(Schema):
    code = Text(required=True)
    parent_code = Text(required=True, allow_none=True)
    level = Choice(DivisionLevel, required=True)
    name = Text(required=True)


class OrganizationFilter(PageQuery):
    """`division` takes in everything that lies in it; `q` is any part of the name."""

    parent_id = Id()
    kind = Choice(OrganizationKind)
    division = Text(max_length=12, pattern=DIVISION_CODE)
    q = Text(max_length=50)


class OrganizationCreate(Schema):
    parent_id = Id(required=True)
    kind = Choice(OrganizationKind, required=True)
    name = Text(max_length=100, required=True)
    division_code = Text(max_length=12, pattern=DIVISION_CODE, allow_none=True, load_default=None)


class OrganizationUpdate(Schema):
    name = Text(max_length=100, required=True)


class OrganizationRead(Schema):
    id = Id(required=True)
    version = Count(required=True)
    parent_id = Id(required=True, allow_none=True)
    kind = Choice(OrganizationKind, required=True)
    name = Text(required=True)
    division_code = Text(required=True, allow_none=True)


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


class GranteeRead(Schema):
    id = Id(required=True)
    name = Text(required=True)
    phone = Text(required=True, metadata={"description": "Masked, like 138****0001."})


class GrantRead(Schema):
    id = Id(required=True)
    role = Choice(Role, required=True)
    scope = Nested(ScopeRead, required=True)
    volunteer = Nested(GranteeRead, required=True)
    granted_at = Moment(required=True)


class HeldRoleRead(Schema):
    role = Choice(HeldRole, required=True)
    scope = Nested(HeldScopeRead, required=True)
