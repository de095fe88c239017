"""A leader's roll-call: who was there, who was not, and who need not have been."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from volunteer_api.activities.models import Shift
from volunteer_api.attendance import review_notices as notices
from volunteer_api.attendance import roll_call_queries as queries
from volunteer_api.attendance import strengthening
from volunteer_api.attendance.check_ins import NOT_YET_PUBLIC
from volunteer_api.attendance.memory import Gathered
from volunteer_api.attendance.models import Reason, RollCallMark, RollCallStatus, State
from volunteer_api.attendance.problems import (
    AlreadyReviewed,
    Attended,
    LeftBeforeArrival,
    NotDuringShift,
    NotExpected,
    NotYet,
    OwnRollCall,
    RollCallAhead,
    TimeIsOver,
    UnknownPhone,
    UnknownVolunteer,
)
from volunteer_api.attendance.roll_call_queries import Person
from volunteer_api.attendance.scene import Scene
from volunteer_api.attendance.settling import in_order, set_held
from volunteer_api.core import audit, clock, texts
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.limits import spend
from volunteer_api.core.problems import Problem
from volunteer_api.core.settings import rules
from volunteer_api.hours import deadlines
from volunteer_api.hours import service as hours
from volunteer_api.notifications.service import notify_all
from volunteer_api.sign_ups import service as sign_ups
from volunteer_api.sign_ups.models import SignUp
from volunteer_api.sign_ups.problems import Canceled, NotPublished
from volunteer_api.sign_ups.queries import lock_volunteers

# Who is there by a roll-call hears of it; that many numbers of others may be tried without a word.
UNKNOWN_PHONES = "100/hour"
# What the ledger keeps is in the language of the records, whoever took the roll-call.
ABSENT = "点名时登记为缺席。"


@dataclass(frozen=True)
class Marked:
    """What came of one entry; `changed` is False where all of it was known already, or `is_older` than what was."""

    person: Person | None
    changed: bool
    refusal: Problem | None
    is_older: bool = False


@dataclass
class Call:
    """A roll-call that is being taken, and whose absence it records or takes back at its end."""

    shift: Shift
    here: Scene
    by: UUID
    now: datetime
    taken_at: datetime
    # Sign-ups, and whose they are.
    absent: dict[UUID, UUID] = field(default_factory=dict)
    excused: set[UUID] = field(default_factory=set)

    @property
    def opens_at(self) -> datetime:
        return self.shift.starts_at - timedelta(minutes=rules().check_in_opens_minutes)

    def has_absent(self, sign_up: SignUp) -> bool:
        """Whether she counts as absent, as was recorded or as an entry before says."""
        return sign_up.absent_at is not None or sign_up.id in self.absent

    def scene_of(self, person: Person, arrived_at: datetime | None = None) -> Scene:
        """What the person's attendance is judged by; nobody was expected who signed up long after she arrived."""
        sign_up = person.sign_up
        if sign_up is None:
            return replace(self.here, expected=False, team_id=None)
        here = replace(self.here, expected=True, team_id=sign_up.team_id, signed_up_at=sign_up.created_at)
        return here if arrived_at is None else replace(here, expected=here.expected_from(arrived_at))


def take(
    *, shift: Shift, by: UUID, entries: Sequence[Mapping[str, Any] | Problem], taken_at: datetime | None = None
) -> list[Marked]:
    """Take the roll-call of a shift: the marks of those named, and what they do to attendances; a result for each.

    An entry is {volunteer_id | phone, status, arrived_at?, left_at?}, or what is wrong with it; a refusal costs no
    other entry. Who is `present` gets an attendance, or hers becomes strong at the ends that the leader vouches for:
    the arrival, and the leaving where it is named or the list was written (`taken_at`, by default now) after the end.
    Strong at both ends is credited; somebody without a sign-up, or with one that came long after her arrival, is held
    until another person looks at it, for a leader alone must not make hours. Of two lists that name somebody the one
    that was written last stands, whichever came first. `absent` is recorded with the sign-up;
    against an attendance it holds that. `excused` is an absence that is no no-show. The same list again changes
    nothing. All volunteers are held first, by one statement in the order of their ids.

    Raises RollCallAhead, NotPublished, Canceled, and TimeIsOver once the ten working days are over (409).
    """
    now = clock.now()
    if taken_at is not None and taken_at > now + timedelta(seconds=rules().future_evidence_seconds):
        raise RollCallAhead()
    here = queries.scene_of(shift.id)
    _require_open(here)
    if deadlines.due_on(clock.local_date(shift.ends_at)).is_past():
        raise TimeIsOver()
    by_phone = queries.accounts_of([one["phone"] for one in entries if not isinstance(one, Problem) and "phone" in one])
    named = [_named(one, by_phone) for one in entries]
    chosen = {one for one in named if one is not None and one != by}
    lock_volunteers(chosen)
    people = queries.people_at(shift.id, chosen)
    call = Call(shift, here, by, now, min(taken_at or now, now))
    # Who is named twice finds what her first entry wrote.
    once = [people[one] for one, times in Counter(named).items() if times == 1 and one in people]
    gathered = Gathered()
    queries.read_beside(
        once, shift, max(now + timedelta(seconds=rules().future_evidence_seconds), shift.ends_at), gathered
    )
    results = [_marked(call, one, volunteer_id, people) for one, volunteer_id in zip(entries, named, strict=True)]
    gathered.write(known=[one for person in once if person.beside for one in person.beside.attendances])
    _record_absences(call)
    if any(one.changed for one in results):
        audit.record(
            AuditAction.ROLL_CALL_TAKEN,
            actor_id=by,
            organization_id=here.organization_id,
            shift_id=str(shift.id),
            changed=sum(one.changed for one in results),
        )
    return results


def marked_view(results: Sequence[Marked]) -> dict[str, Any]:
    """The results as an answer shows them."""
    return {
        "results": [
            {
                "volunteer": {"id": one.person.id, "name": one.person.name} if one.person is not None else None,
                "status": one.refusal.status if one.refusal is not None else 200,
                "changed": one.changed,
                "attendance": one.person.attendance if one.person is not None else None,
                "problem": one.refusal.body() if one.refusal is not None else None,
                "why": _later() if one.is_older else None,
            }
            for one in results
        ]
    }


def _later() -> dict[str, str]:
    detail = texts.translate("A roll-call that was written later has named this person already; it stands.")
    return {"code": "later_roll_call", "detail": detail}


def _require_open(here: Scene) -> None:
    """Let pass what was published and not canceled before it was held. Raises NotPublished, Canceled (409)."""
    activity = here.activity
    if activity is not None and activity.state in NOT_YET_PUBLIC:
        raise NotPublished()
    if here.out_of_service or activity is None or activity.published_at is None:
        raise Canceled()


def _named(entry: Mapping[str, Any] | Problem, by_phone: Mapping[str, UUID]) -> UUID | None:
    if isinstance(entry, Problem):
        return None
    found: UUID | None = by_phone.get(entry["phone"]) if "phone" in entry else entry["volunteer_id"]
    return found


def _marked(
    call: Call, entry: Mapping[str, Any] | Problem, volunteer_id: UUID | None, people: Mapping[UUID, Person]
) -> Marked:
    person = people.get(volunteer_id) if volunteer_id is not None else None
    try:
        if isinstance(entry, Problem):
            raise entry
        if volunteer_id == call.by:
            raise OwnRollCall()
        if person is None:
            raise _unknown(entry)
        if person.mark is not None and call.taken_at < (person.mark.taken_at or person.mark.marked_at):
            return Marked(person, False, None, is_older=True)
        changed = MARKING[entry["status"]](call, person, entry)
    except Problem as refusal:
        known = person if person is not None and person.is_known_here else None
        return Marked(known, False, refusal if known is not None else _counted(call, entry, refusal))
    return Marked(person, _note(call, person, entry) or changed, None)


def _unknown(entry: Mapping[str, Any]) -> Problem:
    if "phone" not in entry:
        return UnknownVolunteer()
    # Whether a number is anybody's is told to those who vouch that its owner was there, and not in silence.
    return UnknownPhone() if entry["status"] == RollCallStatus.PRESENT else NotExpected()


def _counted(call: Call, entry: Mapping[str, Any] | Problem, refusal: Problem) -> Problem:
    """The refusal of somebody whom the shift does not know; by phone, it spends one of the leader's tries."""
    if isinstance(entry, Problem) or "phone" not in entry:
        return refusal
    try:
        spend(UNKNOWN_PHONES, "phones in roll-calls", who=str(call.by))
    except Problem as too_many:
        return too_many
    return refusal


def _mark_present(call: Call, person: Person, entry: Mapping[str, Any]) -> bool:
    left_at = _left_at(call, entry)
    attendance = person.attendance
    if attendance is not None and attendance.state == State.REJECTED:
        if attendance.reviewed_by is not None:
            raise AlreadyReviewed(attendance)
        # A roll-call took it back itself.
        attendance = None
    if attendance is None:
        arrived_at = entry.get("arrived_at") or min(max(call.taken_at, call.opens_at), call.shift.starts_at)
        if left_at is not None and left_at < arrived_at:
            raise LeftBeforeArrival()
        person.attendance = strengthening.begin(call, person, arrived_at, left_at)
        changed = True
    else:
        changed = strengthening.strengthen(
            call, person, attendance, entry.get("arrived_at"), entry.get("left_at"), left_at
        )
    if person.sign_up is not None and call.has_absent(person.sign_up):
        call.excused.add(person.sign_up.id)
        changed = True
    return changed


def _mark_absent(call: Call, person: Person, entry: Mapping[str, Any]) -> bool:
    if call.now < call.opens_at:
        raise NotYet()
    attendance = person.attendance
    if attendance is None or attendance.state == State.REJECTED:
        return _record_absence(call, person)
    if attendance.reviewed_by is not None:
        raise AlreadyReviewed(attendance)
    if Reason.MARKED_ABSENT in attendance.reasons:
        return False
    here = call.scene_of(person)
    waits = attendance.credited_minutes + attendance.held_minutes
    if attendance.credited_minutes:
        hours.take_back(attendance_id=attendance.id, reason=ABSENT, actor_id=call.by)
        attendance.credited_minutes = 0
    if strengthening.is_leaders_word(attendance):
        # A name that was ticked by mistake: nobody but the leader ever said that she was there.
        set_held(attendance, here, 0)
        attendance.state = State.REJECTED
        if person.sign_up is not None:
            _record_absence(call, person)
        return True
    attendance.reasons = in_order({Reason.MARKED_ABSENT, *map(Reason, attendance.reasons)})
    if attendance.state != State.OPEN:
        set_held(attendance, here, waits)
        attendance.state = State.HELD
    notices.tell(notices.MARKED_ABSENT, attendance, here, once=call.now.isoformat())
    return True


def _excuse(call: Call, person: Person, entry: Mapping[str, Any]) -> bool:
    attendance = person.attendance
    if attendance is not None and attendance.state != State.REJECTED:
        raise Attended(attendance)
    if person.sign_up is None:
        raise NotExpected()
    if not call.has_absent(person.sign_up):
        return False
    call.excused.add(person.sign_up.id)
    return True


MARKING = {
    RollCallStatus.PRESENT: _mark_present,
    RollCallStatus.ABSENT: _mark_absent,
    RollCallStatus.EXCUSED: _excuse,
}


def _left_at(call: Call, entry: Mapping[str, Any]) -> datetime | None:
    """When the person left: as it is named, or at the end where the list was written after it."""
    shift, arrived_at, left_at = call.shift, entry.get("arrived_at"), entry.get("left_at")
    if call.now < call.opens_at:
        raise NotYet()
    for moment in (arrived_at, left_at):
        if moment is not None and moment > call.now + timedelta(seconds=rules().future_evidence_seconds):
            raise NotYet()
    if arrived_at is not None and not call.opens_at <= arrived_at <= shift.ends_at:
        raise NotDuringShift()
    if left_at is not None and left_at < shift.starts_at:
        raise NotDuringShift()
    if arrived_at is not None and left_at is not None and left_at < arrived_at:
        raise LeftBeforeArrival()
    return left_at or (shift.ends_at if call.taken_at >= shift.ends_at else None)


def _record_absence(call: Call, person: Person) -> bool:
    if person.sign_up is None:
        raise NotExpected()
    if person.sign_up.absent_at is not None:
        return False
    call.absent[person.sign_up.id] = person.id
    return True


def _record_absences(call: Call) -> None:
    absent, once = call.absent.keys() - call.excused, call.now.isoformat()
    if absent:
        sign_ups.record_absences(absent, absent=True)
        notify_all([notices.absence(call.absent[one], one, call.here, once=once) for one in sorted(absent)])
    if call.excused:
        sign_ups.record_absences(call.excused - call.absent.keys(), absent=False)


def _note(call: Call, person: Person, entry: Mapping[str, Any]) -> bool:
    """Keep what the leader said; whether it is something new."""
    told = (entry["status"], entry.get("arrived_at"), entry.get("left_at"))
    mark = person.mark
    if mark is not None and (mark.status, mark.arrived_at, mark.left_at) == told:
        # Said again later, it stands against what was written between.
        mark.taken_at = call.taken_at
        return False
    if mark is None:
        mark = person.mark = RollCallMark(shift_id=call.shift.id, volunteer_id=person.id)
        db.session.add(mark)
    mark.status, mark.arrived_at, mark.left_at = told
    mark.marked_by, mark.marked_at, mark.taken_at = call.by, call.now, call.taken_at
    return True
