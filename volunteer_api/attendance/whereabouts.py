"""What is kept of where a volunteer's phone was: nothing without her consent to it (`location`) [PIPL 29].

A place is judged in any case, for it is sent by her own tap, and the grade stays. Without the consent what was judged
is all that is kept: the grade, the reasons, the remarks, and the distance from the middle of the fence, to a hundred
meters; the middle of the fence stands for a place that lay in it, so that nobody travels faster than one can.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.accounts.consent_texts import ConsentKind
from volunteer_api.accounts.queries import has_consent
from volunteer_api.activities.models import SPOT as ACTIVITY_SPOT
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance.evidence import usable, without_place
from volunteer_api.attendance.grading import Fence
from volunteer_api.attendance.judging import told
from volunteer_api.attendance.models import Attendance, Remark, WaitingCheckOut
from volunteer_api.attendance.review_queries import placed
from volunteer_api.attendance.schemas import CheckOutCreate
from volunteer_api.core import geo
from volunteer_api.core.database import db
from volunteer_api.core.geo import Place, meters_between
from volunteer_api.core.settings import rules
from volunteer_api.sign_ups.queries import lock_volunteer
from volunteer_api.stations.models import SPOT as STATION_SPOT
from volunteer_api.stations.models import Station

ONE_DAY = timedelta(days=1)
# No fence is wider (see ActivityCreate).
WIDEST_FENCE_M = 20_000


def center_of(activity: Activity | None, station: Station | None) -> Place | None:
    """The middle of the fence of an attendance at an activity or of a duty, if it has one."""
    place = activity.place if activity is not None else station.place if station is not None else None
    return (place["lat"], place["lng"]) if place else None


def distance_m(evidence: dict[str, Any] | None, center: Place | None) -> int | None:
    """How far from there the phone said that it was: to the meter, or as it was kept without the place."""
    said = (evidence or {}).get("place")
    place = usable({"client_time": None, "place": said}).place
    if place is not None:
        return round(meters_between(center, place)) if center is not None else None
    kept = said.get("distance_m") if isinstance(said, dict) else None
    return kept if isinstance(kept, int) and not isinstance(kept, bool) and kept >= 0 else None


def kept_until_judged(
    volunteer_id: UUID, evidence: dict[str, Any], received_at: datetime
) -> tuple[dict[str, Any], list[str] | None]:
    """What may be kept of evidence, as it was sent, whose place nobody can judge yet, and what its place proves.

    Without the consent: no place, and the ids of the shifts around that time and of the stations in whose fences it
    lies.
    """
    kept = without_place(evidence)
    if kept == evidence or has_consent(volunteer_id, ConsentKind.LOCATION):
        return evidence, None
    return kept, _proven(evidence, received_at)


def forget(volunteer_id: UUID) -> None:
    """Delete where a volunteer's phones said that she was, of all that she ever attended; grades and minutes stay."""
    lock_volunteer(volunteer_id)
    mine = placed(Attendance, Activity, Station).where(Attendance.volunteer_id == volunteer_id).order_by(Attendance.id)
    for attendance, activity, station in db.session.execute(mine.execution_options(populate_existing=True)):
        _forget(attendance, center_of(activity, station))
    for waited in db.session.scalars(select(WaitingCheckOut).where(WaitingCheckOut.volunteer_id == volunteer_id)):
        waited.inside = waited.inside or _proven(waited.evidence, waited.received_at)
        waited.evidence = without_place(waited.evidence)
    db.session.flush()


def _forget(attendance: Attendance, center: Place | None) -> None:
    came, left = attendance.check_in_evidence, attendance.check_out_evidence
    attendance.check_in_remarks = _remarks(attendance.check_in_remarks, came)
    attendance.check_out_remarks = _remarks(attendance.check_out_remarks, left)
    attendance.check_in_evidence = _without(came, center)
    if left is not None:
        attendance.check_out_evidence = _without(left, center)
    attendance.check_in_latitude = attendance.check_in_longitude = None
    attendance.check_out_latitude = attendance.check_out_longitude = None
    if attendance.taps is not None:
        attendance.taps = [
            tap
            | {
                "place": None,
                "evidence": _without(tap["evidence"], center),
                "remarks": _remarks(tap["remarks"], tap["evidence"]),
            }
            for tap in attendance.taps
        ]


def _without(evidence: dict[str, Any], center: Place | None) -> dict[str, Any]:
    return without_place(evidence, distance_m(evidence, center))


def _remarks(remarks: list[Any], evidence: dict[str, Any] | None) -> list[Any]:
    """The remarks, with the one on a place that is not kept where one was."""
    said = (evidence or {}).get("place")
    if Remark.PLACE_NOT_KEPT in remarks or usable({"client_time": None, "place": said}).place is None:
        return remarks
    return [*remarks, Remark.PLACE_NOT_KEPT.value]


def _proven(evidence: dict[str, Any], received_at: datetime) -> list[str] | None:
    """The ids of what the place of evidence proves; None where it has no place."""
    end = told(CheckOutCreate().load({"evidence": evidence})["evidence"], received_at)
    if end.usable.place is None:
        return None
    return [str(target_id) for target_id in _around(end.usable.place, end.usable.accuracy_m or 0.0, end.tapped.moment)]


def _around(place: Place, doubt: float, moment: datetime) -> Iterator[UUID]:
    """The shifts and stations in whose fences a place lies, of the shifts those that are at most a day away."""
    cap_m = rules().accuracy_cap_m
    shifts = (
        select(Shift.id, ACTIVITY_SPOT.latitude, ACTIVITY_SPOT.longitude, Activity.radius_m)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(
            Shift.starts_at < moment + ONE_DAY,
            Shift.ends_at > moment - ONE_DAY,
            geo.within(ACTIVITY_SPOT.latitude, ACTIVITY_SPOT.longitude, place, WIDEST_FENCE_M + cap_m),
        )
        .order_by(Shift.id)
    )
    for shift_id, latitude, longitude, radius_m in db.session.execute(shifts):
        if Fence((latitude, longitude), radius_m or rules().fence_m).holds(place, doubt, cap_m):
            yield shift_id
    reach = rules().fence_m + cap_m
    stations = (
        select(Station.id, STATION_SPOT.latitude, STATION_SPOT.longitude)
        .where(geo.in_cells(STATION_SPOT.cell, geo.cell_ranges(place, reach)))
        .order_by(Station.id)
    )
    for station_id, latitude, longitude in db.session.execute(stations):
        if Fence((latitude, longitude), rules().fence_m).holds(place, doubt, cap_m):
            yield station_id
