"""What activities hear from features to their left, and hold about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import case, or_, select, update

from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.activities import service
from volunteer_api.activities.models import Activity, ActivityLeader, Shift, SignUp, SignUpState
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.organizations.events import OrganizationClosing
from volunteer_api.organizations.problems import OrganizationNotEmpty


@on(OrganizationClosing)
def refuse_while_activities_run(event: OrganizationClosing) -> None:
    """An activity must be completed or canceled first, a draft too. Raises OrganizationNotEmpty."""
    running = db.session.execute(
        select(Activity.id, Activity.title)
        .where(Activity.organization_id == event.organization_id, Activity.state.not_in(service.OVER))
        .order_by(Activity.id)
        .limit(1)
    ).first()
    if running is not None:
        raise OrganizationNotEmpty(name=running.title, members={"what": "activities", "id": str(running.id)})


@on(VolunteerErased)
def leave_what_is_to_come(event: VolunteerErased) -> None:
    """Take back the person's sign-ups for shifts that have not begun; who waits moves up. The past stays, unnamed."""
    now = clock.now()
    to_come = (
        select(SignUp.id)
        .join(Shift, Shift.id == SignUp.shift_id)
        .where(
            SignUp.volunteer_id == event.volunteer_id,
            or_(
                (SignUp.state == SignUpState.CONFIRMED) & (Shift.starts_at > now),
                (SignUp.state == SignUpState.WAITLISTED) & (Shift.ends_at > now),
            ),
        )
        # Waiting ones first: a place given up would be given to the same person where they wait elsewhere.
        .order_by(case((SignUp.state == SignUpState.WAITLISTED, 0), else_=1), SignUp.shift_id)
    )
    for sign_up_id in db.session.scalars(to_come).all():
        service.withdraw(sign_up_id=sign_up_id)
    # Why they once could not come is their own words.
    db.session.execute(
        update(SignUp)
        .where(SignUp.volunteer_id == event.volunteer_id, SignUp.withdrawal_reason.is_not(None))
        .values(withdrawal_reason=None)
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
        )
        .join(Shift, Shift.id == SignUp.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(SignUp.volunteer_id == volunteer_id)
        .order_by(Shift.starts_at.desc(), SignUp.id)
    )


@exported("activities_created")
def activities_created(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The activities that the person planned, the latest first."""
    return rows(
        select(Activity.id, Activity.title, Activity.state, Activity.created_at)
        .where(Activity.created_by == volunteer_id)
        .order_by(Activity.created_at.desc(), Activity.id)
    )


@exported("activities_led")
def activities_led(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The activities that the person was named to lead, the latest first."""
    return rows(
        select(Activity.id, Activity.title, Activity.state, Activity.created_at)
        .join(ActivityLeader, ActivityLeader.activity_id == Activity.id)
        .where(ActivityLeader.volunteer_id == volunteer_id)
        .order_by(Activity.created_at.desc(), Activity.id)
    )
