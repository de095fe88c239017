"""What sign-ups hear from features to their left, and hold about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, update

from volunteer_api.accounts.events import GuardianWithdrew, VolunteerErased
from volunteer_api.activities.changes import register_companions, register_people, register_taken
from volunteer_api.activities.events import ActivityChanged, RolesChanging, ShiftsChanged
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.activities.prospects import register_judge
from volunteer_api.core.database import db
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.core.tasks import enqueue
from volunteer_api.qualifications.events import CredentialsWithdrawn
from volunteer_api.sign_ups import changes, people, places, queries, several, unfit
from volunteer_api.sign_ups.models import SignUp

register_judge(people)
register_companions(queries.waits_freed_by)
register_people(places.hold_people)
register_taken(queries.taken_among)


@on(ShiftsChanged)
def follow_changes(event: ShiftsChanged) -> None:
    """Who signed up for the shifts, and who waits because of them, hears of it."""
    changes.follow(event)


@on(ActivityChanged)
def tell_of_changes(event: ActivityChanged) -> None:
    """Who has a sign-up for what is to come hears what the activity is called now, or where it is."""
    changes.tell(event)


@on(RolesChanging)
def keep_roles_with_people(event: RolesChanging) -> None:
    """A role that somebody is signed up for stays; who is in a renamed one hears of it."""
    changes.change_roles(event)


@on(CredentialsWithdrawn)
def look_at_the_uncovered(_event: CredentialsWithdrawn) -> None:
    """Who can't take part any more has no place; a policy may cover thousands, so the worker looks."""
    enqueue(unfit.LOOK_AT_CREDENTIALS)


@on(GuardianWithdrew)
def look_at_the_minor(_event: GuardianWithdrew) -> None:
    """A minor without a guardian has no place."""
    enqueue(unfit.LOOK_AT_PEOPLE)


@on(VolunteerErased)
def leave_what_is_to_come(event: VolunteerErased) -> None:
    """Take back the person's sign-ups for shifts to come; who waits moves up. The past stays, unnamed."""
    several.leave_all(event.volunteer_id)
    # Why they once could not come is their own words; why a leader said no is about them.
    told = or_(SignUp.withdrawal_reason.is_not(None), SignUp.decision_reason.is_not(None))
    db.session.execute(
        update(SignUp)
        .where(SignUp.volunteer_id == event.volunteer_id, told)
        .values(withdrawal_reason=None, decision_reason=None)
        .execution_options(synchronize_session=False)
    )


@exported("sign_ups")
def sign_ups(volunteer_id: UUID) -> list[dict[str, Any]]:
    """What the person signed up for, the latest shift first."""
    return rows(
        select(
            SignUp.id,
            Activity.title,
            Shift.starts_at,
            Shift.ends_at,
            SignUp.state,
            SignUp.team_id,
            SignUp.late,
            SignUp.created_at,
            SignUp.decided_at,
            SignUp.withdrawn_at,
            SignUp.withdrawal_reason,
            SignUp.decision_reason,
            SignUp.absent_at,
        )
        .join(Shift, Shift.id == SignUp.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(SignUp.volunteer_id == volunteer_id)
        .order_by(Shift.starts_at.desc(), SignUp.id)
    )


@exported("sign_ups_decided")
def sign_ups_decided(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The sign-ups of others that the person, as a leader, invited, approved or rejected, the latest first."""
    return rows(
        select(SignUp.id, Activity.title, Shift.starts_at, SignUp.state, SignUp.decided_at, SignUp.decision_reason)
        .join(Shift, Shift.id == SignUp.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(SignUp.decided_by == volunteer_id)
        .order_by(SignUp.decided_at.desc(), SignUp.id)
    )
