"""Payloads of teams and memberships."""

from typing import Any

from marshmallow import validates_schema

from volunteer_api.core.periods import ALL_TIME, PeriodField
from volunteer_api.core.schema import (
    Choice,
    Count,
    Flag,
    FlagParameter,
    Id,
    Moment,
    Nested,
    PageQuery,
    Phone,
    Schema,
    Text,
    fault,
)
from volunteer_api.core.tables import OutcomeRead
from volunteer_api.teams.models import CodeState, MembershipRole, MembershipState


class TeamFilter(PageQuery):
    """`organization_id` takes in its subtree; `mine=true` leaves the teams of which the caller is an active member.

    `q` is a part of the name, of its pinyin or of its initials. Closed teams are listed with `closed=true`, alone.
    """

    organization_id = Id()
    mine = FlagParameter()
    recruiting = FlagParameter()
    closed = FlagParameter()
    q = Text(max_length=50)


class TeamCreate(Schema):
    """`leader_id` is the caller where it is left out; somebody else is invited to lead."""

    name = Text(max_length=100, required=True)
    organization_id = Id(required=True)
    description = Text(max_length=2000, allow_none=True, load_default=None)
    leader_id = Id()


class TeamUpdate(Schema):
    name = Text(max_length=100)
    description = Text(max_length=2000, allow_none=True)
    is_recruiting = Flag(metadata={"description": "Whether anybody may ask to join."})


class TeamRead(Schema):
    id = Id(required=True)
    version = Count(required=True)
    name = Text(required=True)
    organization_id = Id(required=True)
    description = Text(required=True, allow_none=True)
    is_recruiting = Flag(required=True)
    member_count = Count(required=True, allow_none=True, metadata={"description": "Active members."})
    closed_at = Moment(required=True, allow_none=True)


class TeamBrief(Schema):
    id = Id(required=True)
    name = Text(required=True)
    organization_id = Id(required=True)
    closed_at = Moment(required=True, allow_none=True)


class PrimaryTeam(Schema):
    """null names no team."""

    team_id = Id(required=True, allow_none=True)


class MembershipCreate(Schema):
    """Nothing, to ask for oneself; a code, to join by it; a leader names the phone of somebody to invite."""

    phone = Phone()
    invitation_code = Text(max_length=200, metadata={"description": "The bare code or the whole text of the QR code."})

    @validates_schema
    def check_one(self, data: dict[str, Any], **_options: Any) -> None:
        """A code is for oneself, a phone for somebody else."""
        if len(data) > 1:
            raise fault("one_of", "Give either phone or invitation_code, not both.")


class MembershipUpdate(Schema):
    role = Choice(MembershipRole, required=True)


class MembershipRejection(Schema):
    """The other side hears the reason, or sees it with the membership."""

    reason = Text(max_length=500, allow_none=True, load_default=None)


class MembershipFilter(PageQuery):
    """`q` is a part of the name, or a volunteer number."""

    state = Choice(MembershipState)
    q = Text(max_length=50)


class OwnMembershipFilter(PageQuery):
    state = Choice(MembershipState)


class MemberRead(Schema):
    """Of somebody who is invited and has not accepted, only the masked phone."""

    id = Id(required=True, allow_none=True)
    name = Text(required=True, allow_none=True)
    phone = Text(required=True, allow_none=True, metadata={"description": "Masked, like 138****0001."})
    volunteer_number = Text(required=True, allow_none=True)


class MembershipRead(Schema):
    id = Id(required=True)
    version = Count(required=True)
    team_id = Id(required=True)
    volunteer = Nested(MemberRead, required=True)
    role = Choice(MembershipRole, required=True)
    state = Choice(MembershipState, required=True)
    joined_at = Moment(required=True, allow_none=True)
    left_at = Moment(required=True, allow_none=True)
    expires_at = Moment(required=True, allow_none=True, metadata={"description": "Until when an invitation counts."})
    rejection_reason = Text(required=True, allow_none=True)


class OwnMembershipRead(Schema):
    id = Id(required=True)
    version = Count(required=True)
    team = Nested(TeamBrief, required=True)
    role = Choice(MembershipRole, required=True)
    state = Choice(MembershipState, required=True)
    is_primary = Flag(required=True)
    joined_at = Moment(required=True, allow_none=True)
    left_at = Moment(required=True, allow_none=True)
    expires_at = Moment(required=True, allow_none=True)
    rejection_reason = Text(required=True, allow_none=True)


class PersonRead(Schema):
    name = Text(required=True)
    phone = Text(required=True)


class MemberContactRead(Schema):
    """In full, for an emergency. `guardian` is who consented for a minor, else the contact that she gave."""

    name = Text(required=True)
    phone = Text(required=True, allow_none=True)
    emergency_contact = Nested(PersonRead, required=True, allow_none=True)
    guardian = Nested(PersonRead, required=True, allow_none=True)


class InvitationCodeCreate(Schema):
    """Without `uses` as many people may join as like; with `needs_acceptance` they only ask to."""

    expires_in_days = Count(minimum=1, maximum=365, load_default=30)
    uses = Count(minimum=1, maximum=10_000, allow_none=True, load_default=None)
    needs_acceptance = Flag(load_default=False)


class InvitationCodeRead(Schema):
    id = Id(required=True)
    needs_acceptance = Flag(required=True)
    uses_left = Count(required=True, allow_none=True)
    expires_at = Moment(required=True)
    state = Choice(CodeState, required=True)


class InvitationCodeMade(InvitationCodeRead):
    code = Text(required=True, metadata={"description": "Told only here."})
    url = Text(max_length=500, required=True, metadata={"description": "The text of the QR code."})


class TeamInvitationRead(Schema):
    team = Nested(TeamRead, required=True)
    needs_acceptance = Flag(required=True)
    expires_at = Moment(required=True)


class ExportQuery(Schema):
    period = PeriodField(
        load_default=ALL_TIME, metadata={"description": "Of which the minutes are: 2026-11, 2026-Q4, 2026 or all."}
    )


class ImportQuery(Schema):
    dry_run = FlagParameter(load_default=False)


class ImportRead(OutcomeRead):
    """`invited` in a dry run: who would be. Whoever asked to join counts there too: nothing tells whose phone it is.

    `already_members` are members, and phones that were invited before.
    """

    invited = Count(required=True)
    already_members = Count(required=True)
