"""Star levels [2012]: applied for by the volunteer, granted by who reviews hours, withdrawn when the hours are gone.

A level says how many hours somebody has, so it falls when reversals bring the sum below it; who has the hours again
applies again. Lower levels that the sum still reaches stay.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from volunteer_api.certificates import queries
from volunteer_api.certificates.models import StarLevel, StarState
from volunteer_api.certificates.problems import (
    AlreadyApplied,
    AlreadyDecided,
    HoursBelowLevel,
    HoursTooFew,
    NeverServedThere,
)
from volunteer_api.core import audit, clock
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.limits import spend
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.core.settings import rules
from volunteer_api.notifications import service as notifications
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.service import Notice
from volunteer_api.notifications.templates import register
from volunteer_api.organizations.access import Permission, holders_near
from volunteer_api.organizations.models import Organization

APPLIED = register(
    "star_level_applied",
    "Somebody applies for a star level",
    "A volunteer of %(organization)s applies for star level %(level)s. Decide on it.",
    Group.REVIEWS,
)
REACHED = register(
    "star_level_reached",
    "You have the hours for a star level",
    "Your %(hours)s hours are enough for star level %(level)s. Apply for it in the app.",
    Group.CERTIFICATES,
)
GRANTED = register(
    "star_level_granted", "You have a new star level", "Your star level %(level)s was granted.", Group.CERTIFICATES
)
REJECTED = register(
    "star_level_rejected",
    "Your application was turned down",
    "Star level %(level)s was not granted: %(reason)s",
    Group.CERTIFICATES,
)
WITHDRAWN = register(
    "star_level_withdrawn",
    "A star level was withdrawn",
    "Hours of yours were taken back, so star level %(level)s stands no more. Apply again once you have the hours.",
    Group.CERTIFICATES,
)
TAKEN_BACK_A_DAY = "5/day"


@dataclass(frozen=True)
class Standing:
    """Which level somebody holds (0: none), what she applied for, and how far the next level is (None: no next one)."""

    level: int
    held: StarLevel | None
    application: StarLevel | None
    credited_minutes: int
    earned_level: int
    next_level: int | None
    missing_minutes: int | None


def standing_of(volunteer_id: UUID) -> Standing:
    """How somebody stands now, by the ledger of this moment."""
    rows = list(db.session.scalars(queries.star_levels(volunteer_id, StarState.GRANTED, StarState.PENDING)))
    held = next((row for row in rows if row.state == StarState.GRANTED), None)
    minutes = _credited(volunteer_id)
    earned = level_of(minutes)
    following = earned + 1 if earned < len(rules().star_level_hours) else None
    return Standing(
        level=held.level if held is not None else 0,
        held=held,
        application=next((row for row in rows if row.state == StarState.PENDING), None),
        credited_minutes=minutes,
        earned_level=earned,
        next_level=following,
        missing_minutes=minutes_of(following) - minutes if following is not None else None,
    )


def level_of(minutes: int) -> int:
    """The level that so many credited minutes reach (0: none)."""
    return sum(minutes >= hours * 60 for hours in rules().star_level_hours)


def minutes_of(level: int) -> int:
    """From how many credited minutes on a level may be applied for."""
    return rules().star_level_hours[level - 1] * 60


def apply(*, volunteer_id: UUID, organization_id: UUID) -> StarLevel:
    """Apply for the level that the credited hours of this moment reach, to an organization that recorded some of them.

    Raises NeverServedThere, AlreadyApplied, HoursTooFew (409).
    """
    db.session.execute(queries.held_volunteer(volunteer_id)).one()
    standing = standing_of(volunteer_id)
    if standing.application is not None:
        raise AlreadyApplied()
    if standing.earned_level <= standing.level:
        raise HoursTooFew(members={"level": standing.next_level, "missing_minutes": standing.missing_minutes})
    if not db.session.scalar(queries.served_in(volunteer_id, organization_id)):
        raise NeverServedThere()
    application = StarLevel(
        volunteer_id=volunteer_id,
        organization_id=organization_id,
        level=standing.earned_level,
        minutes=standing.credited_minutes,
    )
    db.session.add(application)
    db.session.flush()
    _tell_reviewers(application)
    return application


def withdraw(application: StarLevel) -> None:
    """Take an application of one's own back: another one may be made, perhaps elsewhere.

    Raises NotFound (404) where that was just done, AlreadyDecided (409).
    """
    # Each round is news to those who decide.
    spend(TAKEN_BACK_A_DAY, "star level applications", who=str(application.volunteer_id))
    db.session.delete(_held(application))
    db.session.flush()


def approve(application: StarLevel, *, by: UUID) -> StarLevel:
    """Grant the level, if the hours are still there. Raises Forbidden (403) for one's own, AlreadyDecided,
    HoursBelowLevel (409)."""
    held = _undecided(application, by)
    minutes = _credited(held.volunteer_id)
    if minutes < minutes_of(held.level):
        raise HoursBelowLevel(members={"credited_minutes": minutes})
    return _decide(held, by, StarState.GRANTED, minutes, reason=None, kind=GRANTED, values={})


def reject(application: StarLevel, *, by: UUID, reason: str) -> StarLevel:
    """Turn an application down. Raises Forbidden (403) for one's own, AlreadyDecided (409)."""
    held = _undecided(application, by)
    minutes = _credited(held.volunteer_id)
    return _decide(held, by, StarState.REJECTED, minutes, reason=reason, kind=REJECTED, values={"reason": reason})


def applications_to(organization: Organization, query: dict[str, object]) -> Page:
    """The applications to an organization and those below it, oldest first."""
    state = query.get("state")
    keys = [Key(StarLevel.id, read=lambda row: row.id)]
    statement = queries.applications(organization.id, str(state) if state is not None else None)
    return page(statement, keys, query, scope=str(organization.id))


def withdraw_unearned(volunteer_id: UUID, *, minutes_to_follow: int = 0) -> None:
    """Take the levels back that the ledger does not reach any more, and tell the volunteer.

    `minutes_to_follow` are about to be credited anew: a correction that leaves her enough takes no level away.
    """
    db.session.execute(queries.held_volunteer(volunteer_id)).one()
    earned = level_of(_credited(volunteer_id) + minutes_to_follow)
    for level in db.session.scalars(queries.star_levels(volunteer_id, StarState.GRANTED)):
        if level.level > earned:
            level.state, level.withdrawn_at = StarState.WITHDRAWN, clock.now()
            notifications.notify(
                volunteer_id=volunteer_id,
                kind=WITHDRAWN,
                values={"level": str(level.level)},
                dedup_key=f"{WITHDRAWN}:{level.id}",
            )
    db.session.flush()


def tell_reached(changes: Mapping[UUID, int]) -> None:
    """Tell those whose totals pass a level by these changes, in minutes, that they may apply for it; once a level."""
    totals = {row.subject_id: row.credited_minutes for row in db.session.execute(queries.totals_of(changes))}
    reached = {
        one: level_of(minutes)
        for one, minutes in totals.items()
        if level_of(minutes - changes[one]) < level_of(minutes)
    }
    notifications.notify_all(
        [
            Notice(
                one, REACHED, {"level": str(level), "hours": str(minutes_of(level) // 60)}, f"{REACHED}:{one}:{level}"
            )
            for one, level in reached.items()
        ]
    )


def _tell_reviewers(application: StarLevel) -> None:
    organization = db.session.get_one(Organization, application.organization_id)
    near = holders_near(organization.id, Permission.HOURS_REVIEW, without=[application.volunteer_id])
    values = {
        "organization": organization.name,
        "organization_id": str(organization.id),
        "level": str(application.level),
        "application_id": str(application.id),
    }
    notifications.notify_each(near, APPLIED, values, once=str(application.id))


def _undecided(application: StarLevel, by: UUID) -> StarLevel:
    if application.volunteer_id == by:
        raise Forbidden()
    return _held(application)


def _held(application: StarLevel) -> StarLevel:
    """The application, undecided, locked after its volunteer, as whoever changes her hours does it."""
    db.session.execute(queries.held_volunteer(application.volunteer_id)).one()
    held = db.session.scalars(queries.held_application(application.id)).one_or_none()
    if held is None:
        raise NotFound()
    if held.state != StarState.PENDING:
        raise AlreadyDecided()
    return held


def _decide(
    held: StarLevel,
    by: UUID,
    state: StarState,
    minutes: int,
    *,
    reason: str | None,
    kind: str,
    values: dict[str, str],
) -> StarLevel:
    held.state, held.decided_by, held.decided_at = state, by, clock.now()
    held.decided_minutes, held.reason = minutes, reason
    db.session.flush()
    audit.record(
        AuditAction.STAR_LEVEL_DECIDED,
        actor_id=by,
        subject_id=held.volunteer_id,
        organization_id=held.organization_id,
        level=held.level,
        granted=state == StarState.GRANTED,
    )
    notifications.notify(
        volunteer_id=held.volunteer_id,
        kind=kind,
        values={"level": str(held.level)} | values,
        dedup_key=f"{kind}:{held.id}",
    )
    return held


def _credited(volunteer_id: UUID) -> int:
    return int(db.session.scalars(queries.credited_minutes(volunteer_id)).one())
