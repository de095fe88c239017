"""Answers made of many features' rows, for one screen each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.geo import Place
from volunteer_api.phone import queries
from volunteer_api.stations import views as stations

NEARBY_STATIONS = 3
NEARBY_M = 10_000


@dataclass(frozen=True)
class Home:
    """The app's first screen."""

    profile: Volunteer
    next_sign_ups: Sequence[Any]
    open_attendance: dict[str, Any] | None
    tally: Any
    unread_count: int
    nearby_stations: Sequence[dict[str, Any]]


def home(volunteer: Volunteer, near: Place | None) -> Home:
    """The volunteer's first screen; `near` is in WGS-84 degrees. Three statements, and up to three for the stations."""
    values = {"volunteer_id": volunteer.id, "now": clock.now()}
    coming = db.session.execute(queries.next_sign_ups(), values).all()
    attending = db.session.execute(queries.open_attendance(), values).one_or_none()
    sums = db.session.execute(queries.sums(), values).one()
    return Home(
        profile=volunteer,
        next_sign_ups=[_named(row) for row in coming],
        open_attendance=_named(attending) if attending is not None else None,
        tally=sums,
        unread_count=sums.unread_count,
        nearby_stations=stations.nearest(near, radius_m=NEARBY_M, count=NEARBY_STATIONS) if near is not None else (),
    )


def _named(row: Any) -> dict[str, Any]:
    members = dict(row._mapping)
    named = {name.lower(): members.get(name) for name in ("Shift", "Activity", "Station")}
    return members | named | {"role": members.get("ShiftRole")}
