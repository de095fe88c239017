"""How people come to a team: they ask, somebody invites their phone, or they bring a code."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, or_, select, update

from volunteer_api.accounts import service as accounts
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.limits import spend
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.statements import row_count
from volunteer_api.notifications.models import NotificationKind
from volunteer_api.notifications.service import notify
from volunteer_api.teams import access, codes, notices, queries, service
from volunteer_api.teams.models import (
    OPEN_STATES,
    CodeState,
    InvitationCode,
    Membership,
    MembershipRole,
    MembershipState,
    Team,
)
from volunteer_api.teams.problems import AlreadyMember, InvitationCodeUnknown, TeamClosed, TeamNotRecruiting
from volunteer_api.teams.service import MembershipView

# So long after it ran out.
CODES_SHOWN = timedelta(days=30)


@dataclass(frozen=True)
class CodeView:
    """A code as those see it who lead the team; `code` and `url` are told once, to whom made it."""

    id: UUID
    needs_acceptance: bool
    uses_left: int | None
    expires_at: datetime
    state: CodeState
    code: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class TeamInvitationView:
    """What a code opens, before it is used."""

    team: Team
    needs_acceptance: bool
    expires_at: datetime


def join(team: Team, *, by: Principal, phone: str | None = None, invitation_code: str | None = None) -> MembershipView:
    """Ask to become a member; or join by a code; or, where a phone is given, invite: only who leads the team may.

    Who asked already is let in by an invitation. Raises AlreadyMember, TeamClosed, TeamNotRecruiting,
    InvitationCodeUnknown, TooManyRequests after thirty phones or
    thirty codes in an hour, and what `require_lead` raises.
    """
    if phone is not None:
        return _invite_one(team, phone, by=by)
    volunteer = db.session.get_one(Volunteer, by.volunteer_id)
    if invitation_code is not None:
        return service.view(_join_by_code(team, invitation_code, by=by), volunteer)
    service.require_open(team.id)
    if not team.is_recruiting:
        raise TeamNotRecruiting()
    requested = service.add_member(team_id=team.id, volunteer_id=volunteer.id, state=MembershipState.REQUESTED)
    _tell_leaders(team, requested, volunteer)
    return service.view(requested, volunteer)


def invite(team: Team, phones: Mapping[str, MembershipRole]) -> list[Membership]:
    """Invite the owners of phones that nobody invited yet, each with the role that it gives, registered or not.

    The caller knows that none of them has an open membership. Those with an account hear of it.
    """
    moment = clock.now()
    digests = {phone: accounts.phone_digest(phone) for phone in phones}
    db.session.execute(
        delete(Membership)
        .where(Membership.team_id == team.id, queries.ran_out(moment))
        .execution_options(synchronize_session=False)
    )
    owners = {volunteer.phone: volunteer.id for volunteer in registered(phones)}
    made = [
        Membership(
            id=ids.new_id(),
            team_id=team.id,
            volunteer_id=owners.get(phone),
            role=role,
            state=MembershipState.INVITED,
            phone_digest=digests[phone],
            masked_phone=accounts.masked_phone(phone),
            expires_at=moment + timedelta(days=service.INVITATION_DAYS),
        )
        for phone, role in phones.items()
    ]
    db.session.add_all(made)
    db.session.flush()
    for membership in made:
        if membership.volunteer_id is not None:
            notices.tell_of_invitation(membership, membership.volunteer_id)
    return made


def phones_taken(team: Team, phones: Collection[str]) -> dict[str, bool]:
    """Which of the phones belong to members of the team, or are invited or ask to be, with whether that may be told.

    Of members whoever leads may read the phone, and the invited were typed in; of who asked, or was named by account,
    nobody learns the phone before she is a member. Three statements.
    """
    digests = {accounts.phone_digest(phone): phone for phone in phones}
    owners = {volunteer.id: str(volunteer.phone) for volunteer in registered(phones)}
    taken: dict[str, bool] = {}
    for volunteer_id, digest, state in db.session.execute(queries.open_among(team.id, owners.keys(), digests.keys())):
        if volunteer_id in owners:
            taken[owners[volunteer_id]] = state == MembershipState.ACTIVE
        if digest in digests:
            taken[digests[digest]] = True
    return taken


def registered(phones: Collection[str]) -> list[Volunteer]:
    """The accounts of these E.164 numbers."""
    return list(db.session.scalars(select(Volunteer).where(Volunteer.phone.in_(phones))))


def take_effect(*, volunteer_id: UUID, phone: str) -> None:
    """Give the invitations that wait for a phone to who has just proven to have it, and let her hear of them."""
    waiting = db.session.execute(
        select(Membership, Team)
        .join(Team, Team.id == Membership.team_id)
        .where(
            Membership.phone_digest == accounts.phone_digest(phone),
            Membership.volunteer_id.is_(None),
            Membership.state == MembershipState.INVITED,
            Membership.expires_at > clock.now(),
        )
        .order_by(Membership.id)
        .with_for_update(of=Membership)
    ).all()
    for membership, team in waiting:
        if db.session.scalar(queries.open_membership(volunteer_id, team.id, OPEN_STATES)) is not None:
            db.session.delete(membership)
            continue
        # The version stays: a leader who sees it move would know that the phone was registered just now.
        db.session.execute(
            update(Membership)
            .where(Membership.id == membership.id)
            .values(volunteer_id=volunteer_id)
            .execution_options(synchronize_session=False)
        )
        notices.tell_of_invitation(membership, volunteer_id)


def make_code(
    team: Team, *, by: Principal, expires_in_days: int, uses: int | None = None, needs_acceptance: bool = False
) -> CodeView:
    """A code by which people join: the leader's acceptance, given in advance, unless it `needs_acceptance`.

    Raises TeamClosed.
    """
    if team.closed_at is not None:
        raise TeamClosed()
    code = codes.new_code()
    made = InvitationCode(
        team_id=team.id,
        created_by=by.volunteer_id,
        code_digest=codes.digest_of(code),
        needs_acceptance=needs_acceptance,
        uses_left=uses,
        expires_at=clock.now() + timedelta(days=expires_in_days),
    )
    db.session.add(made)
    db.session.flush()
    return replace(_view(made), code=code, url=codes.url_of(code))


def list_codes(team: Team, query: Mapping[str, Any]) -> Page:
    """The team's codes that nobody took back, those too that ran out lately or are used up. One statement."""
    statement = select(InvitationCode).where(InvitationCode.team_id == team.id, InvitationCode.revoked_at.is_(None))
    found = page(statement, [Key(InvitationCode.id, read=lambda code: code.id)], query, scope=str(team.id))
    return Page([_view(code) for code in found.items], found.next_cursor)


def _view(code: InvitationCode) -> CodeView:
    state = codes.state_of(code, clock.now())
    return CodeView(code.id, code.needs_acceptance, code.uses_left, code.expires_at, state)


def revoke_code(code: InvitationCode) -> None:
    """Take a code back; who came by it stays."""
    code.revoked_at = clock.now()


def show(code: InvitationCode) -> TeamInvitationView:
    """The team that a code opens."""
    return TeamInvitationView(access.load_team(code.team_id), code.needs_acceptance, code.expires_at)


def forget_unanswered() -> int:
    """Delete what ran out unanswered, taken back or not: it is no history, and holds a stranger's phone.

    A code that ran out is shown for a while, so that whoever leads sees why it opens nothing.
    """
    moment = clock.now()
    count = row_count(
        db.session.execute(
            delete(Membership).where(queries.ran_out(moment)).execution_options(synchronize_session=False)
        )
    )
    db.session.execute(
        delete(InvitationCode)
        .where(or_(InvitationCode.expires_at <= moment - CODES_SHOWN, InvitationCode.revoked_at <= moment))
        .execution_options(synchronize_session=False)
    )
    return count


def _invite_one(team: Team, phone: str, *, by: Principal) -> MembershipView:
    access.require_lead(by, team)
    service.require_open(team.id)
    spend(accounts.PHONES_LOOKED_UP, "phones looked up", who=str(by.volunteer_id))
    asked = _request_of(team, phone)
    if asked is not None:
        # Both want it: her request is what the invitation would wait for.
        return service.accept(asked, by=by)
    if phones_taken(team, [phone]):
        raise AlreadyMember()
    invited = invite(team, {phone: MembershipRole.MEMBER})[0]
    return service.view(invited, None)


def _request_of(team: Team, phone: str) -> Membership | None:
    """The request to join of whose phone this is, locked."""
    return db.session.scalars(
        select(Membership)
        .join(Volunteer, Volunteer.id == Membership.volunteer_id)
        .where(Membership.team_id == team.id, Membership.state == MembershipState.REQUESTED, Volunteer.phone == phone)
        .with_for_update(of=Membership)
    ).one_or_none()


def _join_by_code(team: Team, text: str, *, by: Principal) -> Membership:
    code = codes.find_live(text, by=by)
    if code.team_id != team.id:
        raise InvitationCodeUnknown()
    service.require_open(team.id)
    held = db.session.scalar(
        select(Membership)
        .where(
            Membership.team_id == team.id,
            Membership.volunteer_id == by.volunteer_id,
            Membership.state.in_(OPEN_STATES),
        )
        .with_for_update()
    )
    if held is not None and (held.state == MembershipState.ACTIVE or code.needs_acceptance):
        raise AlreadyMember()
    _use_up(code)
    if held is not None:
        service.accept(held, by=by)
        return held
    state = MembershipState.REQUESTED if code.needs_acceptance else MembershipState.ACTIVE
    made = service.add_member(team_id=team.id, volunteer_id=by.volunteer_id, state=state)
    if code.needs_acceptance:
        _tell_leaders(team, made, db.session.get_one(Volunteer, by.volunteer_id))
    return made


def _use_up(code: InvitationCode) -> None:
    """Take one use; the row judges who gets the last."""
    taken = db.session.execute(
        update(InvitationCode)
        .where(InvitationCode.id == code.id, codes.is_live(clock.now()))
        .values(uses_left=InvitationCode.uses_left - 1)
        .execution_options(synchronize_session=False)
    )
    if row_count(taken) == 0:
        raise InvitationCodeUnknown()


def _tell_leaders(team: Team, requested: Membership, volunteer: Volunteer) -> None:
    """Let those who can accept hear of a request: once a day of each person, however often she asks."""
    kind, day = NotificationKind.MEMBERSHIP_REQUESTED, clock.today().isoformat()
    for leader_id in db.session.scalars(queries.leader_ids(team.id)):
        if leader_id is None:
            continue
        notify(
            volunteer_id=leader_id,
            kind=kind,
            values={
                "person_id": str(volunteer.id),
                "team": team.name,
                "team_id": str(team.id),
                "membership_id": str(requested.id),
            },
            dedup_key=f"{kind}:{team.id}:{volunteer.id}:{day}:{leader_id}",
        )
