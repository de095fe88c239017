"""A desk that checks in many: each volunteer shows the code of her own phone, and a leader's tablet reads it.

The code says that her phone was there at that minute, the leader sees who holds it: two people stand behind that end,
so it is strong. Tablet and phones may all be without network: codes are made beforehand, and scans are sent later, in
any order and as often as it takes. A scan needs no key: whose it is, where, which end and when make it the same one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import Shift
from volunteer_api.attendance import presence_code, queries, taps
from volunteer_api.attendance.check_ins import check_in
from volunteer_api.attendance.check_outs import check_out
from volunteer_api.attendance.effective_time import EffectiveTime
from volunteer_api.attendance.judging import told
from volunteer_api.attendance.models import Attendance, Reason, ScanKind, State
from volunteer_api.attendance.presence_code import CodeKind
from volunteer_api.attendance.problems import NotCheckedIn, OwnScan, PersonalCodeInvalid, TappedAgain
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.limits import spend
from volunteer_api.core.problems import Problem
from volunteer_api.core.settings import rules
from volunteer_api.core.unit_of_work import attempt
from volunteer_api.sign_ups.queries import lock_volunteers
from volunteer_api.stations.models import Station

# Of one desk. Valid codes are taken after it too; a tablet that sends a day's scans late has few wrong ones.
WRONG_CODES = "300/hour"


@dataclass(frozen=True)
class Scanned:
    """What came of one scan: `status` is what it alone would have had; `volunteer` is None without a code of hers.

    Of who had checked in or out before, `attendance` is the one that is known.
    """

    key: str
    status: int
    volunteer: Volunteer | None
    attendance: Attendance | None
    problem: Mapping[str, Any] | None


def scan_at_shift(shift: Shift, scans: Sequence[Mapping[str, Any]], *, by: UUID) -> list[Scanned]:
    """Take scans at a shift; a scan is `{key, kind, evidence}`, whose `code` is the whole text of the volunteer's."""
    return _take({"shift_id": shift.id}, scans, by)


def scan_at_station(station: Station, scans: Sequence[Mapping[str, Any]], *, by: UUID) -> list[Scanned]:
    """Take scans of duties at a station."""
    return _take({"station_id": station.id}, scans, by)


def _take(target: Mapping[str, UUID], scans: Sequence[Mapping[str, Any]], by: UUID) -> list[Scanned]:
    """The results in the order of the scans, which are applied in the order of their moments."""
    received_at = clock.now()
    named = [_volunteer_number(scan) for scan in scans]
    people = {one.volunteer_number: one for one in db.session.scalars(queries.numbered({n for n in named if n}))}
    # Judged before anybody is held: who only knows numbers holds up nobody. A code of its moment stays one.
    shown = [
        one if _is_shown(scan, one, received_at) else None
        for scan, one in zip(scans, (people.get(number or "") for number in named), strict=True)
    ]
    if held := {one.id for one in shown if one is not None}:
        lock_volunteers(held)

    def moment(number: int) -> tuple[datetime, bool, int]:
        scan = scans[number]
        return told(scan["evidence"], received_at).tapped.moment, scan["kind"] == ScanKind.CHECK_OUT, number

    results = {
        number: _result(scans[number], shown[number], target, by, received_at)
        for number in sorted(range(len(scans)), key=moment)
    }
    return [results[number] for number in range(len(scans))]


def _result(
    scan: Mapping[str, Any], volunteer: Volunteer | None, target: Mapping[str, UUID], by: UUID, received_at: datetime
) -> Scanned:
    verb = _check_in if scan["kind"] == ScanKind.CHECK_IN else _check_out
    try:
        whose = _named(volunteer, by)
        status, attendance = attempt(lambda: verb(scan, whose, target, by, received_at))
    except Problem as problem:
        known = problem.attendance if isinstance(problem, TappedAgain) else None
        return Scanned(scan["key"], problem.status, volunteer, known, problem.body())
    return Scanned(scan["key"], status, volunteer, attendance, None)


def _is_shown(scan: Mapping[str, Any], volunteer: Volunteer | None, received_at: datetime) -> bool:
    """Whether the volunteer's phone showed the code at that moment."""
    end = told(scan["evidence"], received_at)
    return volunteer is not None and presence_code.is_valid(
        str(end.usable.code), volunteer.volunteer_number, end.tapped.said_at, CodeKind.VOLUNTEER
    )


def _named(volunteer: Volunteer | None, by: UUID) -> Volunteer:
    """Whose code was shown; None where it was nobody's, and who has somebody's number learns nothing by it.

    Raises PersonalCodeInvalid (409), TooManyRequests (429) after too many of these, OwnScan (403).
    """
    if volunteer is None:
        spend(WRONG_CODES, "wrong personal codes", who=str(by))
        raise PersonalCodeInvalid()
    if volunteer.id == by:
        raise OwnScan()
    return volunteer


def _check_in(
    scan: Mapping[str, Any], volunteer: Volunteer, target: Mapping[str, Any], by: UUID, received_at: datetime
) -> tuple[int, Attendance]:
    known = _same_scan(volunteer, target, ScanKind.CHECK_IN, by, scan)
    made = known or check_in(
        volunteer_id=volunteer.id, **target, evidence=scan["evidence"], received_at=received_at, scanned_by=by
    )
    return 201, made


def _check_out(
    scan: Mapping[str, Any], volunteer: Volunteer, target: Mapping[str, UUID], by: UUID, received_at: datetime
) -> tuple[int, Attendance]:
    known = _same_scan(volunteer, target, ScanKind.CHECK_OUT, by, scan)
    if known is not None:
        return 200, known
    tapped = told(scan["evidence"], received_at).tapped
    here = _here(volunteer, target)
    attendance = next((one for one in here if _can_end(one, tapped)), None)
    if attendance is None and "shift_id" in target:
        # She has checked out of the shift before. Of several duties nobody can tell that.
        attendance = next((one for one in here if one.state != State.REJECTED), None)
    if attendance is None:
        raise NotCheckedIn()
    return 200, check_out(attendance=attendance, evidence=scan["evidence"], received_at=received_at, scanned_by=by)


def _same_scan(
    volunteer: Volunteer, target: Mapping[str, UUID], kind: ScanKind, by: UUID, scan: Mapping[str, Any]
) -> Attendance | None:
    """The attendance of which this very scan is a tap already, if there is one."""
    moment = _client_time(scan["evidence"])
    for one in _here(volunteer, target):
        if any(tap.scanned_by == by and _client_time(tap.evidence) == moment for tap in taps.taps_of(one, kind)):
            return one
    return None


def _here(volunteer: Volunteer, target: Mapping[str, UUID]) -> Sequence[Attendance]:
    """Her last attendances at the target, the latest first."""
    return db.session.scalars(queries.last_at(volunteer.id, **target)).all()


def _can_end(attendance: Attendance, tapped: EffectiveTime) -> bool:
    """Whether a check-out of that moment may be this one's. Of several duties, it is that of the one it lies in.

    Of an odd clock, or sent days later, neither end tells its moment: it is the latest one's, and held.
    """
    if attendance.state != State.OPEN and (attendance.state != State.HELD or attendance.check_out_evidence is not None):
        return False
    if attendance.frame_ends_at is None or tapped.is_odd or Reason.CLOCK_ODD in attendance.check_in_reasons:
        return True
    closes_at = attendance.frame_ends_at + timedelta(minutes=rules().check_out_closes_minutes)
    return attendance.checked_in_at <= tapped.moment <= closes_at


def _client_time(evidence: Mapping[str, Any]) -> datetime | None:
    found = evidence.get("client_time")
    return datetime.fromisoformat(found) if isinstance(found, str) else found


def _volunteer_number(scan: Mapping[str, Any]) -> str | None:
    code = scan["evidence"].get("code")
    return presence_code.volunteer_named(code) if isinstance(code, str) else None
