"""Who signs up, and who sees and withdraws sign-ups."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from volunteer_api.activities.access import leads_activity, seen, seen_shift
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.core.access import Principal, for_signed_in
from volunteer_api.core.database import db
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.organizations.access import Permission, require
from volunteer_api.sign_ups.models import SignUp
from volunteer_api.teams.access import leads, load_team, require_lead


@dataclass(frozen=True)
class Opening:
    """A shift that somebody may sign up for, with its activity: as long as both are kept, neither is read again."""

    shift: Shift
    activity: Activity


@for_signed_in
def to_sign_up(principal: Principal, shift_id: UUID) -> Opening:
    """Whoever sees its activity; whether they may come is the judgment's matter."""
    return Opening(*seen_shift(principal, shift_id))


@for_signed_in
def to_sign_up_for_activity(principal: Principal, activity_id: UUID) -> Activity:
    """Whoever sees it."""
    return seen(principal, activity_id)


def require_word_for(
    principal: Principal, activity_id: UUID, *, team_id: UUID | None, others: Collection[UUID | None] | None
) -> bool:
    """Let pass who signs only herself up, who leads the activity, and who leads the team and asks its members.

    `others` are the people named, None among them for nobody's number; None for the whole team: who calls that learns
    whom it has, and so must lead it. That each is a member of the team is the judgment's matter. Returns whether the
    word is that of a leader of the activity, who decides whom it takes. Raises Forbidden (403): nobody speaks for
    others' accounts.
    """
    if others is not None and all(one == principal.volunteer_id for one in others):
        return False
    is_leader = leads_activity(principal.volunteer_id, db.session.get_one(Activity, activity_id))
    if others is None and team_id is not None:
        _require_team(principal, team_id)
    elif not is_leader and (team_id is None or not leads(principal.volunteer_id, team_id)):
        raise Forbidden()
    return is_leader


def _require_team(principal: Principal, team_id: UUID) -> None:
    try:
        require_lead(principal, load_team(team_id))
    except NotFound:
        raise Forbidden() from None


@for_signed_in
def to_see_sign_up(principal: Principal, sign_up_id: UUID) -> SignUp:
    """The volunteer, and whoever leads the activity."""
    return _known_sign_up(principal, sign_up_id)


@for_signed_in
def to_decide(principal: Principal, sign_up_id: UUID) -> SignUp:
    """Whoever leads the activity; the volunteer sees it, but can't decide on it (403)."""
    sign_up = _known_sign_up(principal, sign_up_id)
    if sign_up.volunteer_id == principal.volunteer_id:
        shift = db.session.get_one(Shift, sign_up.shift_id)
        if not leads_activity(principal.volunteer_id, db.session.get_one(Activity, shift.activity_id)):
            raise Forbidden()
    return sign_up


@for_signed_in
def to_answer(principal: Principal, sign_up_id: UUID) -> SignUp:
    """Only the volunteer: a leader sees the sign-up, but the word is not the leader's (403)."""
    sign_up = _known_sign_up(principal, sign_up_id)
    if sign_up.volunteer_id != principal.volunteer_id:
        raise Forbidden()
    return sign_up


def _known_sign_up(principal: Principal, sign_up_id: UUID) -> SignUp:
    row = db.session.execute(
        select(SignUp, Activity)
        .join(Shift, Shift.id == SignUp.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(SignUp.id == sign_up_id)
    ).one_or_none()
    if row is None:
        raise NotFound()
    sign_up: SignUp = row.SignUp
    if sign_up.volunteer_id != principal.volunteer_id and not leads_activity(principal.volunteer_id, row.Activity):
        require(principal, Permission.ACTIVITY_LEAD, organization_id=row.Activity.organization_id)
    return sign_up
