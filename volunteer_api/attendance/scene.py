"""Where and when an attendance counts, and what it is judged by: a shift, or a duty at a station."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from volunteer_api.activities.models import LATEST_WORD, Activity, Shift
from volunteer_api.activities.queries import place_of
from volunteer_api.attendance import queries
from volunteer_api.attendance.grading import Fence
from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.presence_code import CodeKind
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.settings import rules, settings
from volunteer_api.stations.models import Station, StationStatus
from volunteer_api.stations.opening import spell_at
from volunteer_api.stations.views import schedule_of


@dataclass(frozen=True)
class Scene:
    """The frame of an attendance, in which its minutes count, and the volunteer's part in it.

    Of a shift with its activity, or of a duty with its station. `sees_code` where the volunteer can see the presence
    code without being there, or was given it to show. `expected` where a place proves something of her: a confirmed
    sign-up; at a station, to be in a team of its organization or of one above, or to manage it. `is_own` where she set
    the frame herself: she planned or leads a shift that had begun before it was planned, or manages the station.
    `out_of_service`: a shift that was canceled meanwhile, or a station that is closed at that time.
    """

    activity: Activity | None
    shift: Shift | None
    station: Station | None
    starts_at: datetime
    ends_at: datetime
    fence: Fence | None
    expected: bool
    sees_code: bool
    out_of_service: bool
    team_id: UUID | None
    leader_id: UUID | None
    # Whether the last roll-call of the shift said that the volunteer was not there.
    marked_absent: bool = False
    # Since when there is the sign-up that is confirmed now.
    signed_up_at: datetime | None = None
    is_own: bool = False
    # Whether she consents to our keeping where her phone says that she is.
    keeps_place: bool = False

    def expected_from(self, arrived_at: datetime) -> bool:
        """Whether somebody was expected who arrived then: a sign-up counts that came no long time after.

        It may be confirmed later. Nobody signs up before the public knows of a shift, so one that is planned long after
        expected nobody.
        """
        if self.shift is None or not self.expected:
            return self.expected
        return self.signed_up_at is not None and self.signed_up_at <= arrived_at + LATEST_WORD

    @property
    def needs_sign_up(self) -> bool:
        return self.shift is not None

    @property
    def code_kind(self) -> CodeKind:
        return CodeKind.SHIFT if self.shift is not None else CodeKind.STATION

    @property
    def target_id(self) -> UUID:
        return self._target.id

    @property
    def organization_id(self) -> UUID:
        """The organization that answers for the attendance."""
        place = self.activity or self.station
        if place is None:
            raise ValueError("a scene is of an activity or of a station")
        return place.organization_id

    @property
    def on(self) -> date:
        """The local day to which its minutes belong."""
        return clock.local_date(self.starts_at)

    @property
    def _target(self) -> Shift | Station:
        target = self.shift or self.station
        if target is None:
            raise ValueError("a scene is of a shift or of a station")
        return target


def of_shift(row: Any) -> Scene:
    """The scene of a shift from a row of `queries.scene_of_check_in` or `queries.scene_of_check_out`."""
    return _at(row.Shift, row.Activity, row)


def of_columns(row: Any) -> Scene:
    """The same from a row of `queries.plain_scene_of_check_in`, which has the columns of both."""
    return _at(row, row, row)


def _at(shift: Shift, activity: Activity, row: Any) -> Scene:
    center = place_of(activity)
    planned_at = max(shift.created_at, activity.published_at or shift.created_at)
    sees_code = bool(row.leads or row.has_codes)
    return Scene(
        activity=activity,
        shift=shift,
        station=None,
        starts_at=shift.starts_at,
        ends_at=shift.ends_at,
        fence=Fence((center["lat"], center["lng"]), activity.radius_m or rules().fence_m) if center else None,
        expected=row.sign_up_id is not None,
        sees_code=sees_code,
        out_of_service=shift.canceled_at is not None,
        team_id=row.team_id,
        leader_id=getattr(row, "leader_id", None),
        marked_absent=bool(getattr(row, "marked_absent", False)),
        signed_up_at=row.signed_up_at,
        is_own=planned_at > shift.starts_at and (sees_code or row.planned),
        keeps_place=bool(getattr(row, "keeps_place", False)),
    )


def of_duty(row: Any, moment: datetime) -> Scene:
    """The scene of a duty that begins at a moment, from a row of `queries.scene_of_duty`.

    Its frame is the opening hours without a break in which the moment lies, or which begin soon after it. Where the
    station is closed then, the frame is the time that the duty may last: what somebody did there waits for review.
    """
    station: Station = row.Station
    longest = timedelta(minutes=rules().duty_minutes)
    early = timedelta(minutes=rules().check_in_opens_minutes)
    spell = None
    if station.status == StationStatus.OPEN:
        spell = spell_at(schedule_of(station), moment, settings().zone, early=early)
    starts_at = moment if spell is None else max(moment, spell[0])
    ends_at = starts_at + longest if spell is None else min(spell[1], starts_at + longest)
    return _duty(row, starts_at, ends_at, out_of_service=spell is None)


def load(volunteer_id: UUID, attendance_id: UUID) -> tuple[Attendance, Scene]:
    """An attendance as it is under its volunteer's lock, with its scene. One statement where it is known here."""
    attendance, here, _ = load_with_others(volunteer_id, attendance_id)
    return attendance, here


def load_with_others(volunteer_id: UUID, attendance_id: UUID) -> tuple[Attendance, Scene, bool]:
    """The same, and whether the volunteer has other attendances that its check-out may change."""
    known = db.session.get_one(Attendance, attendance_id)
    if known.station_id is None:
        row = db.session.execute(queries.scene_of_check_out(volunteer_id, attendance_id)).one()
        return row.Attendance, of_shift(row), bool(row.others)
    row = db.session.execute(queries.scene_of_duty_check_out(volunteer_id, attendance_id)).one()
    starts_at, ends_at = row.Attendance.frame_starts_at, row.Attendance.frame_ends_at
    return row.Attendance, _duty(row, starts_at, ends_at, out_of_service=False), bool(row.others)


def _duty(row: Any, starts_at: datetime, ends_at: datetime, *, out_of_service: bool) -> Scene:
    station: Station = row.Station
    return Scene(
        activity=None,
        shift=None,
        station=station,
        starts_at=starts_at,
        ends_at=ends_at,
        fence=Fence((station.latitude, station.longitude), rules().fence_m),
        expected=bool(row.belongs or row.manages),
        sees_code=bool(row.manages or row.has_codes),
        is_own=bool(row.manages),
        out_of_service=out_of_service,
        team_id=row.team_id,
        leader_id=None,
        keeps_place=bool(getattr(row, "keeps_place", False)),
    )
