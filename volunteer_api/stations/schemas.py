"""Payloads of stations."""

from itertools import pairwise
from typing import Any

from marshmallow import validates_schema

from volunteer_api.core.schema import (
    Choice,
    Count,
    CountParameter,
    Flag,
    Id,
    ListOf,
    Near,
    Nested,
    PageQuery,
    Place,
    Schema,
    Text,
    fault,
)
from volunteer_api.stations.models import StationKind, StationStatus

CODE = r"^[A-Z0-9][A-Z0-9-]{1,15}$"
OPENS = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
CLOSES = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"


class OpeningHours(Schema):
    """From `opens` to `closes`, local time, each week on `weekday` (1 is Monday)."""

    weekday = Count(minimum=1, maximum=7, required=True)
    opens = Text(max_length=5, pattern=OPENS, required=True)
    closes = Text(max_length=5, pattern=CLOSES, required=True)

    @validates_schema
    def opens_first(self, data: dict[str, Any], **_: Any) -> None:
        if data["opens"] >= data["closes"]:
            raise fault("closes_before_opening", "The station must open before it closes.", "closes")


class _OpeningHoursList(Schema):
    """What a station's creation and its update have in common."""

    @validates_schema
    def hours_apart(self, data: dict[str, Any], **_: Any) -> None:
        ordered = sorted((hours["weekday"], hours["opens"], hours["closes"]) for hours in data.get("opening_hours", ()))
        for first, second in pairwise(ordered):
            if first[0] == second[0] and second[1] < first[2]:
                raise fault("hours_overlap", "Opening hours of one day overlap.", "opening_hours")


class StationFilter(PageQuery):
    """`near` puts the nearest first; `radius_m` needs it. Without `status`, stations in service and paused ones."""

    near = Near()
    radius_m = CountParameter(minimum=1, maximum=200_000)
    organization_id = Id()
    kind = Choice(StationKind)
    status = Choice(StationStatus)
    q = Text(max_length=50)

    @validates_schema
    def radius_has_center(self, data: dict[str, Any], **_: Any) -> None:
        if "radius_m" in data and "near" not in data:
            raise fault("radius_without_near", "radius_m needs near.", "radius_m")


class StationCreate(_OpeningHoursList):
    """`code` is made up where it is left out."""

    code = Text(max_length=16, pattern=CODE)
    name = Text(max_length=100, required=True)
    kind = Choice(StationKind, required=True)
    organization_id = Id(required=True)
    status = Choice(StationStatus, load_default=StationStatus.OPEN)
    place = Place(required=True)
    address = Text(max_length=200, required=True)
    opening_hours = ListOf(Nested(OpeningHours), max_length=28, load_default=list)
    services = ListOf(Text(max_length=40), max_length=30, load_default=list)


class StationUpdate(_OpeningHoursList):
    name = Text(max_length=100)
    kind = Choice(StationKind)
    status = Choice(StationStatus)
    place = Place()
    address = Text(max_length=200)
    opening_hours = ListOf(Nested(OpeningHours), max_length=28)
    services = ListOf(Text(max_length=40), max_length=30)


class StationRead(Schema):
    id = Id(required=True)
    version = Count(required=True)
    code = Text(required=True)
    name = Text(required=True)
    kind = Choice(StationKind, required=True)
    organization_id = Id(required=True)
    status = Choice(StationStatus, required=True)
    place = Place(required=True)
    address = Text(required=True)
    opening_hours = ListOf(Nested(OpeningHours), required=True)
    services = ListOf(Text(), required=True)
    open_now = Flag(required=True)
    distance_m = Count(
        required=True, allow_none=True, metadata={"description": "Meters from `near`, null where it was not given."}
    )
