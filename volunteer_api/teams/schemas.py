"""Payloads of teams and memberships."""

from volunteer_api.core.schema import Choice, Count, FlagParameter, Id, Moment, Nested, PageQuery, Phone, Schema, Text
from volunteer_api.teams.models import MembershipRole, MembershipState


class TeamFilter(PageQuery):
    """`organization_id` takes in its subtree; `mine=true` leaves the teams of which the caller is an active member."""

    organization_id = Id()
    mine = FlagParameter()
    q = Text(max_length=50)


class TeamCreate(Schema):
    """`leader_id` is the caller where it is left out."""

    name = Text(max_length=100, required=True)
    organization_id = Id(required=True)
    description = Text(max_length=2000, allow_none=True, load_default=None)
    leader_id = Id()


class TeamRead(Schema):
    id = Id(required=True)
    version = Count(required=True)
    name = Text(required=True)
    organization_id = Id(required=True)
    description = Text(required=True, allow_none=True)
    member_count = Count(required=True, allow_none=True, metadata={"description": "Active members."})


class MembershipCreate(Schema):
    """Nothing, to ask for oneself; a leader names the phone of somebody to invite."""

    phone = Phone()


class MembershipFilter(PageQuery):
    state = Choice(MembershipState)


class MemberRead(Schema):
    id = Id(required=True)
    name = Text(required=True, metadata={"description": "Masked, like 王*, until an invitation is accepted."})
    phone = Text(required=True, metadata={"description": "Masked, like 138****0001."})


class MembershipRead(Schema):
    id = Id(required=True)
    team_id = Id(required=True)
    volunteer = Nested(MemberRead, required=True)
    role = Choice(MembershipRole, required=True)
    state = Choice(MembershipState, required=True)
    joined_at = Moment(required=True, allow_none=True)
    left_at = Moment(required=True, allow_none=True)
