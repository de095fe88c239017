"""Backfill: hours that nobody's phone has, recorded by one person and approved by another one.

Bought hours were a national scandal: nobody records or approves their own, and no one person makes hours alone. What
is recorded waits outside of the ledger, which only grows; what is approved is in it for ever marked as backfilled.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, update

from volunteer_api.accounts import service as accounts
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.core import audit, clock, events
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.limits import spend
from volunteer_api.core.problems import NotFound, Problem, TooManyRequests
from volunteer_api.core.settings import rules, settings
from volunteer_api.core.statements import row_count
from volunteer_api.hours import access, queries, service
from volunteer_api.hours.days import minutes_by_day, whole_minutes
from volunteer_api.hours.events import HoursRecorded
from volunteer_api.hours.models import Backfill, HoursDecision, RecordState, ServiceRecord, Source
from volunteer_api.hours.notices import (
    BACKFILL_REJECTED,
    HOURS_BACKFILLED,
    HOURS_NOT_APPROVED,
    HOURS_RECORDED,
    HOURS_WITHDRAWN,
    tell_who_decides,
    to_volunteer,
)
from volunteer_api.hours.problems import (
    BackfillDecided,
    BackfillOutsideShift,
    BackfillTooLate,
    DutyTooLong,
    HoursOverlap,
    OverDailyLimit,
    OverDailyMaximum,
    OwnBackfill,
    OwnHours,
    PhoneUnknown,
    ServiceNotOver,
    ShiftNotHeld,
    TeamNotServed,
    TooManyStrangers,
)
from volunteer_api.notifications import service as notifications
from volunteer_api.organizations.access import Permission, can
from volunteer_api.organizations.models import Organization
from volunteer_api.organizations.problems import VolunteerUnknown
from volunteer_api.sign_ups.queries import lock_volunteer, lock_volunteers
from volunteer_api.stations.models import Station

MOST_STRANGERS = int(accounts.PHONES_LOOKED_UP.partition("/")[0])
# Of one volunteer, by one recorder.
WITHDRAWN_A_DAY = "5/day"
APPROVED, REJECTED, PENDING = "approved", "rejected", "pending"


@dataclass(frozen=True)
class Target:
    """What the service was at: a shift with its activity, or a duty at a station. `title` is what it is called."""

    activity: Activity | None
    shift: Shift | None
    station: Station | None
    organization_id: UUID
    title: str


@dataclass(frozen=True)
class Asked:
    """What is to be recorded: whose service at what, and from when to when."""

    target: Target
    starts_at: datetime
    ends_at: datetime
    volunteer_id: UUID


@dataclass(frozen=True)
class Result:
    """What came of one line of many: the backfill, or the refusal."""

    backfill: Backfill | None
    refusal: Problem | None


def record(*, by: Principal, **given: Any) -> Backfill:
    """Record hours of somebody else, for a second person to decide on.

    `given` is a body of BackfillCreate. The refusals come in this order: who may (Forbidden, NotFound), what for
    (ShiftNotHeld), when (BackfillOutsideShift, DutyTooLong, ServiceNotOver, BackfillTooLate), whose (TooManyRequests,
    PhoneUnknown, VolunteerUnknown, OwnHours), and against what is known (TeamNotServed, HoursOverlap,
    OverDailyMaximum): nobody is looked up by phone for what can't be recorded of anybody.
    """
    asked = _asked(by, given)
    lock_volunteer(asked.volunteer_id)
    backfill = _record(by, asked, given)
    _tell_of_recorded(by.volunteer_id, [(backfill, asked)])
    return backfill


def record_several(*, by: Principal, records: Sequence[Mapping[str, Any] | Problem]) -> list[Result]:
    """Record the hours of many, with a result for each, in the order given; what is refused, or was already, stops no
    other.

    All volunteers are held first, in the order of their ids: two such calls never lock each other out. Where they name
    more strangers by phone than may be looked up now, it raises TooManyRequests (429), or TooManyStrangers (409) of a
    list that is too long for any hour if nobody on it is known; then nothing is recorded.
    """
    found: list[Asked | Problem] = []
    for given in records:
        if isinstance(given, Problem):
            found.append(given)
            continue
        try:
            found.append(_asked(by, given))
        except TooManyRequests as later:
            # No outcome that a line could have: the same call is made once more, later, or in parts.
            if sum(not isinstance(one, Problem) and "phone" in one for one in records) > MOST_STRANGERS:
                raise TooManyStrangers(most=MOST_STRANGERS) from later
            raise
        except Problem as refusal:
            found.append(refusal)
    lock_volunteers({one.volunteer_id for one in found if not isinstance(one, Problem)})
    results, recorded = [], []
    for given, one in zip(records, found, strict=True):
        if isinstance(one, Problem) or isinstance(given, Problem):
            results.append(Result(None, one if isinstance(one, Problem) else None))
            continue
        try:
            backfill = _record(by, one, given)
        except Problem as refusal:
            results.append(Result(None, refusal))
        else:
            results.append(Result(backfill, None))
            recorded.append((backfill, one))
    _tell_of_recorded(by.volunteer_id, recorded)
    return results


def results_view(results: Sequence[Result]) -> dict[str, Any]:
    """The results as an answer shows them."""
    return {
        "results": [
            {
                "index": index,
                "status": one.refusal.status if one.refusal is not None else 201,
                "service_record_id": one.backfill.id if one.backfill is not None else None,
                "refusal": _refusal_view(one.refusal),
            }
            for index, one in enumerate(results)
        ]
    }


def approve(backfill: Backfill, *, by: UUID, reason: str | None = None) -> ServiceRecord:
    """Let it become a service record, of the same id, and tell the volunteer how to dispute it.

    It is judged again against what the ledger holds by now. Over a day's limit, the approval needs a `reason`; over a
    day's maximum, whoever recorded it must be an organizer too. Raises OwnHours, OwnBackfill (403), BackfillDecided,
    ShiftNotHeld, HoursOverlap, OverDailyLimit, OverDailyMaximum (409), and NotFound (404) where its volunteer was
    erased meanwhile.
    """
    _require_another(backfill, by)
    lock_volunteer(backfill.volunteer_id)
    # As it is now that nobody else decides about this volunteer.
    backfill = _as_it_is_now(backfill)
    _require_pending(backfill)
    target = _known_target(backfill)
    if target.activity is not None:
        _require_held(target)
    overlapping = db.session.scalar(
        queries.standing_between(backfill.volunteer_id, backfill.starts_at, backfill.ends_at)
    )
    if overlapping is not None:
        raise HoursOverlap(overlapping)
    _judge_day(backfill.volunteer_id, backfill, backfill.recorder_id, approved_with=reason)
    _decide(backfill, APPROVED, by, reason)
    written = ServiceRecord(
        id=backfill.id,
        volunteer_id=backfill.volunteer_id,
        minutes=backfill.minutes,
        source=Source.BACKFILLED,
        starts_at=backfill.starts_at,
        ends_at=backfill.ends_at,
        recorder_id=backfill.recorder_id,
        approver_id=by,
        reason=backfill.reason,
        **service.described(
            target.activity,
            target.shift,
            target.station,
            backfill.starts_at,
            backfill.team_id,
            _leader_id(target),
        )
        | _recorded_for(backfill),
    )
    service.write(written, told=HOURS_BACKFILLED)
    return written


def reject(backfill: Backfill, *, by: UUID, reason: str) -> Backfill:
    """Turn it down, and tell who recorded it and its volunteer why.

    Raises OwnHours, OwnBackfill (403), BackfillDecided (409).
    """
    _require_another(backfill, by)
    _decide(backfill, REJECTED, by, reason)
    title = _known_target(backfill).title
    notifications.notify(
        volunteer_id=backfill.recorder_id,
        kind=BACKFILL_REJECTED,
        values={**_name_for_recorder(backfill), "activity": title, "reason": reason},
        dedup_key=f"{BACKFILL_REJECTED}:{backfill.id}",
    )
    notifications.notify_all([to_volunteer(HOURS_NOT_APPROVED, backfill, title, reason=reason)])
    return backfill


def withdraw(backfill: Backfill) -> None:
    """Let it be as if its recorder had recorded nothing, and tell the volunteer: the right hours may be recorded then.

    It never became anything; the audit log keeps it. Raises BackfillDecided (409).
    """
    _require_pending(backfill)
    # Each round tells somebody twice.
    spend(WITHDRAWN_A_DAY, "hours withdrawn", who=f"{backfill.recorder_id}:{backfill.volunteer_id}")
    title = _known_target(backfill).title
    gone = db.session.execute(
        delete(Backfill)
        .where(Backfill.id == backfill.id, Backfill.state == PENDING)
        .execution_options(synchronize_session=False)
    )
    if not row_count(gone):
        raise BackfillDecided(state_of(_as_it_is_now(backfill)))
    _audit(AuditAction.HOURS_WITHDRAWN, backfill, backfill.recorder_id)
    notifications.notify_all([to_volunteer(HOURS_WITHDRAWN, backfill, title)])


def decide_several(*, by: Principal, decisions: Sequence[Mapping[str, Any]]) -> list[Result]:
    """Approve or turn down many, with a result for each, in the order given; what is refused stops no other.

    All volunteers are held first, in the order of their ids. A line has `service_record_id`, `decision` and perhaps a
    `reason`; what the caller may not decide on is refused as it would be alone.
    """
    found: list[Backfill | Problem] = []
    for line in decisions:
        try:
            found.append(access.backfill_to_decide(by, line["service_record_id"]))
        except Problem as refusal:
            found.append(refusal)
    lock_volunteers({one.volunteer_id for one in found if not isinstance(one, Problem)})
    return [
        Result(None, one) if isinstance(one, Problem) else _decided(one, by.volunteer_id, line)
        for line, one in zip(decisions, found, strict=True)
    ]


def decisions_view(decisions: Sequence[Mapping[str, Any]], results: Sequence[Result]) -> dict[str, Any]:
    """The results of many decisions as an answer shows them."""
    return {
        "results": [
            {
                "service_record_id": line["service_record_id"],
                "status": one.refusal.status if one.refusal is not None else 200,
                "state": state_of(one.backfill) if one.backfill is not None else None,
                "refusal": _refusal_view(one.refusal),
            }
            for line, one in zip(decisions, results, strict=True)
        ]
    }


def state_of(backfill: Backfill) -> RecordState:
    """Where a backfill stands, as a service record."""
    return RecordState.RECORDED if backfill.state == APPROVED else RecordState(backfill.state)


def _decided(backfill: Backfill, by: UUID, line: Mapping[str, Any]) -> Result:
    try:
        if line["decision"] == HoursDecision.APPROVE:
            approve(backfill, by=by, reason=line.get("reason"))
        else:
            reject(backfill, by=by, reason=line["reason"])
    except Problem as refusal:
        return Result(None, refusal)
    return Result(_as_it_is_now(backfill), None)


def _refusal_view(refusal: Problem | None) -> dict[str, Any] | None:
    return {"code": refusal.code, "detail": refusal.sentence(), **refusal.members} if refusal is not None else None


def _asked(by: Principal, given: Mapping[str, Any]) -> Asked:
    target = _target(by, given)
    _require_held(target)
    return Asked(target, *_interval(target, given), _volunteer_id(by, target, given))


def _record(by: Principal, asked: Asked, given: Mapping[str, Any]) -> Backfill:
    """Judge one against what is known of its volunteer, who is held, and write it down."""
    target, starts_at, ends_at, volunteer_id = asked.target, asked.starts_at, asked.ends_at, asked.volunteer_id
    if volunteer_id == by.volunteer_id:
        raise OwnHours()
    backfill = Backfill(
        volunteer_id=volunteer_id,
        activity_id=target.activity.id if target.activity is not None else None,
        shift_id=target.shift.id if target.shift is not None else None,
        station_id=target.station.id if target.station is not None else None,
        team_id=given.get("team_id"),
        organization_id=target.organization_id,
        on=clock.local_date(target.shift.starts_at if target.shift is not None else starts_at),
        starts_at=starts_at,
        ends_at=ends_at,
        minutes=whole_minutes(starts_at, ends_at),
        reason=given["reason"],
        recorder_id=by.volunteer_id,
    )
    team_id = backfill.team_id
    if team_id is None and target.shift is not None:
        backfill.team_id = db.session.scalar(queries.team_signed_up_for(volunteer_id, target.shift.id))
    if team_id is not None and not db.session.scalar(queries.was_member(volunteer_id, team_id, starts_at, ends_at)):
        raise TeamNotServed()
    overlapping = db.session.scalar(queries.standing_between(volunteer_id, starts_at, ends_at)) or db.session.scalar(
        queries.pending_between(volunteer_id, starts_at, ends_at)
    )
    if overlapping is not None:
        raise HoursOverlap(overlapping)
    _judge_day(volunteer_id, backfill, by.volunteer_id, approved_with="")
    db.session.add(backfill)
    db.session.flush()
    _audit(AuditAction.HOURS_RECORDED, backfill, by.volunteer_id)
    return backfill


def _tell_of_recorded(by: UUID, recorded: Sequence[tuple[Backfill, Asked]]) -> None:
    """Tell each volunteer, once a day those who decide, and features to the right."""
    if not recorded:
        return
    told = [to_volunteer(HOURS_RECORDED, backfill, asked.target.title) for backfill, asked in recorded]
    notifications.notify_all(told)
    tell_who_decides([backfill for backfill, _ in recorded], by=by)
    events.publish(HoursRecorded(tuple(backfill.id for backfill, _ in recorded)))


def _target(by: Principal, given: Mapping[str, Any]) -> Target:
    if "shift_id" in given:
        return _of_shift(*access.shift_to_record(by, given["shift_id"]))
    return _of_duty(access.station_to_record(by, given["station_id"]))


def _known_target(backfill: Backfill) -> Target:
    if backfill.shift_id is None:
        return _of_duty(db.session.get_one(Station, backfill.station_id))
    return _of_shift(db.session.get_one(Shift, backfill.shift_id), db.session.get_one(Activity, backfill.activity_id))


def _of_shift(shift: Shift, activity: Activity) -> Target:
    return Target(activity, shift, None, activity.organization_id, activity.title)


def _of_duty(station: Station) -> Target:
    return Target(None, None, station, station.organization_id, station.name)


def _recorded_for(backfill: Backfill) -> dict[str, UUID]:
    """Whose hours of a duty they are: of the organization that they were recorded for and that decides, wherever the
    station went. Those of an activity are the activity's, as it was published."""
    if backfill.activity_id is not None:
        return {}
    path_id = db.session.get_one(Organization, backfill.organization_id).path_id
    return {"organization_id": backfill.organization_id, "organization_path_id": path_id}


def _leader_id(target: Target) -> UUID | None:
    return db.session.scalar(queries.leader_id_of(target.activity.id)) if target.activity is not None else None


def known_at(shift: Shift, activity: Activity, phones: Collection[str]) -> dict[str, Volunteer]:
    """Whom of these whoever leads the shift knows, by phone: she needs no look-up for them."""
    found = db.session.scalars(queries.known_at(shift.id, activity.team_id, phones))
    return {str(volunteer.phone): volunteer for volunteer in found}


def _volunteer_id(by: Principal, target: Target, given: Mapping[str, Any]) -> UUID:
    if "phone" in given:
        phone, found = given["phone"], None
        if target.shift is not None and target.activity is not None:
            found = known_at(target.shift, target.activity, [phone]).get(phone)
        found = found or accounts.look_up(phone, by=by)
        if found is None:
            raise PhoneUnknown()
        return found.id
    volunteer = db.session.get(Volunteer, given["volunteer_id"])
    if volunteer is None or volunteer.erased_at is not None:
        raise VolunteerUnknown()
    return volunteer.id


def _require_held(target: Target) -> None:
    if target.activity is None or target.shift is None:
        return
    if target.activity.published_at is None or target.shift.canceled_at is not None:
        raise ShiftNotHeld()


def _interval(target: Target, given: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """The time that is recorded, if it is one that may be."""
    shift, now = target.shift, clock.now()
    starts_at: datetime = given["starts_at"] if shift is None else given.get("starts_at", shift.starts_at)
    ends_at = given["ends_at"] if "ends_at" in given else starts_at + timedelta(minutes=given["minutes"])
    if shift is not None and not shift.starts_at <= starts_at < ends_at <= shift.ends_at:
        raise BackfillOutsideShift()
    if shift is None and ends_at - starts_at > timedelta(minutes=rules().duty_minutes):
        raise DutyTooLong(minutes=rules().duty_minutes)
    if ends_at > now:
        raise ServiceNotOver()
    if ends_at < now - timedelta(days=rules().backfill_days):
        raise BackfillTooLate(days=rules().backfill_days)
    return starts_at, ends_at


def _judge_day(volunteer_id: UUID, backfill: Backfill, recorder_id: UUID, *, approved_with: str | None) -> None:
    """Judge the fullest day that the interval touches, with all that the ledger has of it."""
    mine = minutes_by_day(backfill.starts_at, backfill.ends_at, settings().zone)
    known = service.minutes_by_day(service.credited_on(volunteer_id, min(mine), max(mine)))
    fullest = max(minutes + known.get(day, 0) for day, minutes in mine.items())
    most, limit = rules().most_minutes_a_day, rules().credited_minutes_a_day
    if fullest > most and not can(recorder_id, Permission.HOURS_REVIEW, organization_id=backfill.organization_id):
        raise OverDailyMaximum(fullest, most)
    if fullest > limit and approved_with is None:
        raise OverDailyLimit(fullest, limit)


def _require_another(backfill: Backfill, by: UUID) -> None:
    if by == backfill.volunteer_id:
        raise OwnHours(case="decision")
    if by == backfill.recorder_id:
        raise OwnBackfill()


def _require_pending(backfill: Backfill) -> None:
    if backfill.state != PENDING:
        raise BackfillDecided(state_of(backfill))


def _decide(backfill: Backfill, state: str, by: UUID, reason: str | None) -> None:
    """Write the decision, if nobody was first."""
    _require_pending(backfill)
    decision = {"state": state, "decided_by": by, "decided_at": clock.now(), "decision_reason": reason}
    changed = db.session.execute(
        update(Backfill).where(Backfill.id == backfill.id, Backfill.state == PENDING).values(**decision)
    )
    if not row_count(changed):
        raise BackfillDecided(state_of(_as_it_is_now(backfill)))
    _audit(AuditAction.HOURS_DECIDED, backfill, by, decision=state)


def _name_for_recorder(backfill: Backfill) -> dict[str, str]:
    """Whom the notification names; of whom the recorder knows no more than a phone, it keeps only `王*`."""
    if db.session.scalar(queries.is_known_of(backfill.id)):
        return {"person_id": str(backfill.volunteer_id)}
    return {"name": accounts.masked_name(db.session.get_one(Volunteer, backfill.volunteer_id).name)}


def _audit(action: AuditAction, backfill: Backfill, actor_id: UUID, **details: str) -> None:
    audit.record(
        action,
        actor_id=actor_id,
        subject_id=backfill.volunteer_id,
        organization_id=backfill.organization_id,
        service_record_id=str(backfill.id),
        minutes=backfill.minutes,
        **details,
    )


def _as_it_is_now(backfill: Backfill) -> Backfill:
    found = db.session.get(Backfill, backfill.id, populate_existing=True)
    if found is None:
        raise NotFound()
    return found
