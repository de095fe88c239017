"""Who signs up, and who sees and withdraws sign-ups."""

from uuid import UUID

from sqlalchemy import select

from volunteer_api.activities.access import leads_activity, seen_shift
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.core.access import Principal, for_signed_in
from volunteer_api.core.database import db
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.organizations.access import Permission, require
from volunteer_api.sign_ups.models import SignUp


@for_signed_in
def to_sign_up(principal: Principal, shift_id: UUID) -> Shift:
    """Whoever sees its activity; whether they may come is the judgment's matter."""
    return seen_shift(principal, shift_id)[0]


@for_signed_in
def to_see_sign_up(principal: Principal, sign_up_id: UUID) -> SignUp:
    """The volunteer, and whoever leads the activity."""
    return _known_sign_up(principal, sign_up_id)


@for_signed_in
def to_withdraw(principal: Principal, sign_up_id: UUID) -> SignUp:
    """Only the volunteer: a leader sees the sign-up, but the word was not the leader's (403)."""
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
