"""Histories to rank: rows written straight, so that every state that the counting rule names can be had."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from volunteer_api.accounts.categories import Category
from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.attendance.models import Attendance, Grade, State
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.settings import rules, settings
from volunteer_api.hours import tallies
from volunteer_api.hours.models import ServiceRecord, Source
from volunteer_api.organizations.models import Organization, OrganizationPath, PathMember
from volunteer_api.rankings.models import RankingRule
from volunteer_api.rankings.names import adults_born_by
from volunteer_api.rankings.sums import FORM


@dataclass(frozen=True)
class Turn:
    """One shift; `present` is (which volunteer, in which state, credited with how many minutes)."""

    starts_at: datetime
    minutes: int = 60
    canceled: bool = False
    present: Sequence[tuple[int, State, int]] = ()


@dataclass(frozen=True)
class Happening:
    """One activity and its shifts."""

    state: ActivityState = ActivityState.COMPLETED
    turns: Sequence[Turn] = field(default_factory=tuple)


def fold_nothing() -> None:
    """What rebuilding leaves where there is nothing to fold, without its hundred statements."""
    now = clock.now()
    db.session.add(
        RankingRule(
            id=1,
            attendances_for_held_shift=rules().attendances_for_held_shift,
            zone=settings().zone.key,
            folded_at=now,
            adults_born_by=adults_born_by(now),
            form=FORM,
        )
    )


def write(
    happening: Happening,
    organization: Organization,
    volunteer_ids: Sequence[UUID],
    *,
    signed_up_for: UUID | None = None,
    **values: object,
) -> Activity:
    """Write the rows of one activity under the organization's present path; `signed_up_for` is everybody's team."""
    activity = Activity(
        id=ids.new_id(),
        title="清洁家园",
        category=Category.ENVIRONMENT_PROTECTION,
        organization_id=organization.id,
        organization_path_id=organization.path_id,
        state=happening.state,
        created_by=volunteer_ids[0],
        published_at=clock.now(),
        cancellation_reason="下雨" if happening.state == ActivityState.CANCELED else None,
        **values,
    )
    db.session.add(activity)
    db.session.flush()
    for turn in happening.turns:
        write_turn(activity, turn, volunteer_ids, signed_up_for or activity.team_id)
    return activity


def move(organization: Organization, parent: Organization) -> None:
    """Let the organization, which has none below it, stand elsewhere from now on."""
    above = db.session.query(PathMember).filter_by(path_id=parent.path_id).all()
    path = OrganizationPath(id=ids.new_id(), organization_id=organization.id)
    db.session.add(path)
    db.session.flush()
    db.session.add(PathMember(path_id=path.id, ancestor_id=organization.id, depth=0))
    db.session.add_all(
        [PathMember(path_id=path.id, ancestor_id=member.ancestor_id, depth=member.depth + 1) for member in above]
    )
    organization.parent_id, organization.path_id = parent.id, path.id
    db.session.flush()


def write_turn(activity: Activity, turn: Turn, volunteer_ids: Sequence[UUID], team_id: UUID | None) -> None:
    """Write one shift more, with the minutes of those who were present for a team."""
    ends_at = turn.starts_at + timedelta(minutes=turn.minutes)
    shift = Shift(
        id=ids.new_id(),
        activity_id=activity.id,
        starts_at=turn.starts_at,
        ends_at=ends_at,
        canceled_at=turn.starts_at if turn.canceled else None,
    )
    db.session.add(shift)
    db.session.flush()
    standing: set[int] = set()
    for number, state, minutes in turn.present:
        # Beside another one of hers stands only what somebody decided.
        reviewed_by = volunteer_ids[number - 1] if number in standing else None
        if state is not State.REJECTED:
            standing.add(number)
        attendance = Attendance(
            id=ids.new_id(),
            volunteer_id=volunteer_ids[number],
            shift_id=shift.id,
            state=state,
            grade=Grade.STRONG,
            check_in_grade=Grade.STRONG,
            checked_in_at=turn.starts_at,
            checked_out_at=ends_at,
            credited_minutes=minutes,
            check_in_evidence={},
            reviewed_by=reviewed_by,
        )
        db.session.add(attendance)
        if minutes:
            record = ServiceRecord(
                volunteer_id=volunteer_ids[number],
                minutes=minutes,
                source=Source.ATTENDED,
                attendance_id=attendance.id,
                activity_id=activity.id,
                shift_id=shift.id,
                team_id=team_id,
                station_id=activity.station_id,
                organization_id=activity.organization_id,
                organization_path_id=activity.organization_path_id,
                on=clock.local_date(turn.starts_at),
                starts_at=turn.starts_at,
                ends_at=ends_at,
                content=activity.title,
            )
            db.session.add(record)
            tallies.credited(record)
    db.session.flush()
