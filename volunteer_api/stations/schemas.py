"""Payloads of stations."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

from marshmallow import validates_schema

from volunteer_api.core.schema import (
    Choice,
    Count,
    CountParameter,
    Day,
    Flag,
    FlagParameter,
    Form,
    Id,
    ListOf,
    Moment,
    NearQuery,
    Nested,
    PageQuery,
    Place,
    PublicPhone,
    Schema,
    Text,
    fault,
)
from volunteer_api.core.tables import OutcomeRead
from volunteer_api.files.schemas import FileRead
from volunteer_api.stations.models import HolidayRule, StationKind, StationStatus
from volunteer_api.stations.offers import OfferedService
from volunteer_api.stations.opening import MINUTES_A_DAY, span_of

CODE = Form(r"^[A-Z0-9][A-Z0-9-]{1,15}$", "WD-001", capital=True)
OPENS = Form(r"^([01][0-9]|2[0-3]):[0-5][0-9]$", "08:00")
CLOSES = Form(r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", "18:00")
# Somebody who wrote 06:00 for 18:00 would be open for 22 hours.
LONGEST_NIGHT_MINUTES = 16 * 60
LONGEST_EXCEPTION = timedelta(days=366)
MOST_EXCEPTIONS = 60
MOST_PHOTOS = 10
# Rows of one table.
MAX_IMPORTED = 1000
NEEDS_REASON = (StationStatus.PAUSED, StationStatus.CLOSED)
SERVICES = {"description": "Codes of `service`, and what a station words itself. A known name is taken for its code."}
STATUS_REASON = {"description": "For everybody to read; needed where a station pauses or closes."}


class RowOutcome(StrEnum):
    """What became of a row of an imported table."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


class TimeSpan(Schema):
    """From `opens` to `closes` in local time; where `closes` is earlier than `opens`, to the next morning."""

    opens = Text(max_length=5, form=OPENS, required=True)
    closes = Text(max_length=5, form=CLOSES, required=True)

    @validates_schema
    def opens_first(self, data: dict[str, Any], **_: Any) -> None:
        opens, closes = span_of(data)
        if data["opens"] == data["closes"] or (closes > MINUTES_A_DAY and closes - opens > LONGEST_NIGHT_MINUTES):
            raise fault(
                "closes_before_opening",
                "The station must open before it closes; a night is at most sixteen hours long.",
                "closes",
            )


class OpeningHours(TimeSpan):
    """The hours of each week on `weekday` (1 is Monday), on which they begin."""

    weekday = Count(minimum=1, maximum=7, required=True)


class HourException(Schema):
    """Other hours on the days `from` to `to`, both included: those given, or closed where there are none."""

    first_on = Day(data_key="from", required=True)
    last_on = Day(data_key="to", metadata={"description": "The same day as `from` where it is left out."})
    hours = ListOf(Nested(TimeSpan), max_length=4, load_default=list)
    note = Text(max_length=100, allow_none=True, load_default=None)

    @validates_schema
    def in_order(self, data: dict[str, Any], **_: Any) -> None:
        last_on = data.setdefault("last_on", data["first_on"])
        if not data["first_on"] <= last_on <= data["first_on"] + LONGEST_EXCEPTION:
            raise fault("days_out_of_order", "The last day is before the first, or more than a year after it.", "to")
        if _overlap([span_of(hours) for hours in data["hours"]]):
            raise fault("hours_overlap", "Opening hours of one day overlap.", "hours")


class DeskContact(Schema):
    """Whom to call at the desk; everybody sees it."""

    name = Text(max_length=50, allow_none=True, load_default=None)
    phone = PublicPhone(required=True, metadata={"description": "Loaded as E.164, like +863752861234."})


class _Hours(Schema):
    """What a station's creation and its update have in common."""

    opening_hours = ListOf(Nested(OpeningHours), max_length=28)
    hour_exceptions = ListOf(Nested(HourException), max_length=MOST_EXCEPTIONS)
    holiday_rule = Choice(HolidayRule)
    services = ListOf(Text(max_length=40), max_length=30, metadata=SERVICES)
    contact = Nested(DeskContact, allow_none=True)
    photo_ids = ListOf(
        Id(), max_length=MOST_PHOTOS, metadata={"description": "Photos that you sent, or that are here already."}
    )

    @validates_schema
    def hours_apart(self, data: dict[str, Any], **_: Any) -> None:
        if _overlap(_in_the_week(data.get("opening_hours", ()))):
            raise fault("hours_overlap", "Opening hours of one day overlap.", "opening_hours")

    @validates_schema
    def exceptions_apart(self, data: dict[str, Any], **_: Any) -> None:
        days = sorted((one["first_on"], one["last_on"]) for one in data.get("hour_exceptions", ()))
        if any(first[1] >= second[0] for first, second in pairwise(days)):
            raise fault("exceptions_overlap", "Two exceptions name the same day.", "hour_exceptions")

    @validates_schema
    def photos_differ(self, data: dict[str, Any], **_: Any) -> None:
        photo_ids = data.get("photo_ids", ())
        if len(set(photo_ids)) < len(photo_ids):
            raise fault("repeated", "This is given more than once.", "photo_ids")


class StationFilter(PageQuery, NearQuery):
    """`near` puts the nearest first; `radius_m` needs it. Without `status`, stations in service and paused ones."""

    radius_m = CountParameter(minimum=1, maximum=200_000)
    organization_id = Id()
    kind = Choice(StationKind)
    status = Choice(StationStatus)
    service = Choice(OfferedService)
    open_at = Moment(metadata={"description": "Those in service that are open at this time."})
    q = Text(
        max_length=50,
        metadata={"description": "A part of name, address or code, or how the initials or the pinyin begin."},
    )

    @validates_schema
    def radius_has_center(self, data: dict[str, Any], **_: Any) -> None:
        if "radius_m" in data and "near" not in data:
            raise fault("radius_without_near", "radius_m needs near.", "radius_m")


class StationCreate(_Hours):
    """`code` is made up where it is left out. A station is set up as planned, or open at once."""

    code = Text(max_length=16, form=CODE)
    name = Text(max_length=100, required=True)
    kind = Choice(StationKind, required=True)
    organization_id = Id(required=True)
    status = Choice(StationStatus, load_default=StationStatus.OPEN)
    place = Place(required=True)
    address = Text(max_length=200, required=True)

    @validates_schema
    def begins_well(self, data: dict[str, Any], **_: Any) -> None:
        if data["status"] in NEEDS_REASON:
            raise fault("not_first_status", "A station is set up as planned or open.", "status")


class StationUpdate(_Hours):
    """Managers change all but `code`, `name`, `kind`, `organization_id`, `place`, and only pause and resume."""

    code = Text(max_length=16, form=CODE)
    name = Text(max_length=100)
    kind = Choice(StationKind)
    organization_id = Id()
    status = Choice(StationStatus)
    status_reason = Text(max_length=500, metadata=STATUS_REASON)
    place = Place()
    address = Text(max_length=200)

    @validates_schema
    def has_reason(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("status") in NEEDS_REASON and "status_reason" not in data:
            raise fault("reason_needed", "Say why the station pauses or closes.", "status_reason")
        if "status_reason" in data and "status" not in data:
            raise fault("reason_without_status", "status_reason needs status.", "status_reason")


class _Stored(ListOf):
    """A list that was judged when it came in, and goes out as it is kept."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return value


class StationSummary(Schema):
    """A station in a list."""

    id = Id(required=True)
    version = Count(required=True)
    code = Text(required=True)
    name = Text(required=True)
    kind = Choice(StationKind, required=True)
    organization_id = Id(required=True)
    organization_name = Text(required=True)
    status = Choice(StationStatus, required=True)
    status_reason = Text(max_length=500, required=True, allow_none=True)
    status_since = Moment(required=True)
    place = Place(required=True)
    address = Text(required=True)
    opening_hours = _Stored(Nested(OpeningHours), required=True)
    hour_exceptions = ListOf(Nested(HourException), required=True)
    holiday_rule = Choice(HolidayRule, required=True)
    services = _Stored(Text(), required=True)
    service_names = _Stored(
        Text(), required=True, metadata={"description": "What people read for `services`, in the answer's language."}
    )
    contact = Nested(DeskContact, required=True, allow_none=True)
    photo = Nested(FileRead, required=True, allow_none=True, metadata={"description": "The first of its photos."})
    page_url = Text(
        max_length=2000, required=True, metadata={"description": "A page for everybody; what the QR label leads to."}
    )
    open_now = Flag(required=True)
    closes_at = Moment(
        required=True, allow_none=True, metadata={"description": "Of one open now; null where it stays open for days."}
    )
    opens_at = Moment(
        required=True,
        allow_none=True,
        metadata={"description": "Of one closed now, but in service: the next opening within two months."},
    )
    holidays_known_through = Day(
        required=True, metadata={"description": "Later openings may still move with the year's announced holidays."}
    )
    distance_m = Count(
        required=True, allow_none=True, metadata={"description": "Meters from `near`, null where it was not given."}
    )


class StationManager(Schema):
    id = Id(required=True)
    name = Text(required=True)
    phone = Text(required=True, metadata={"description": "Masked, like 138****0001."})


class StationRead(StationSummary):
    """A station with all that its page shows; with its managers for those who read its stock or organize above it."""

    photos = ListOf(Nested(FileRead), required=True)
    managers = ListOf(Nested(StationManager), required=True, allow_none=True)


class StationImportQuery(Schema):
    dry_run = FlagParameter(load_default=False)
    update = FlagParameter(
        load_default=False,
        metadata={"description": "Change the stations that are there already, by the cells that are filled."},
    )


class ImportedStationRead(Schema):
    """What became of a row, or would; `new_managers` hold the role of station manager now, or once they register."""

    row = Count(required=True, metadata={"description": "As the file counts; the first row is 1."})
    outcome = Choice(RowOutcome, required=True)
    id = Id(required=True, allow_none=True, metadata={"description": "Null of a station that a dry run would make."})
    code = Text(
        max_length=16,
        required=True,
        allow_none=True,
        metadata={"description": "Null where a dry run would have one made up."},
    )
    name = Text(required=True)
    status = Choice(
        StationStatus,
        required=True,
        metadata={"description": "As it is by now, or would be: a row may be of a station that is closed."},
    )
    organization_id = Id(required=True)
    organization_name = Text(required=True)
    changed = ListOf(Text(), required=True, metadata={"description": "The columns of an update that change anything."})
    new_managers = Count(required=True)


class StationImportRead(OutcomeRead):
    """What a table of stations led to, or would lead to, in all and by row; of bad rows only the errors tell."""

    created = Count(required=True)
    updated = Count(required=True)
    unchanged = Count(required=True)
    new_managers = Count(required=True)
    stations = ListOf(Nested(ImportedStationRead), max_length=MAX_IMPORTED, required=True)


class StatusChangeRead(Schema):
    """What a station became, when, why and by whom; `changed_by` is null where no person did it."""

    id = Id(required=True)
    at = Moment(required=True)
    from_status = Choice(StationStatus, required=True, allow_none=True)
    to_status = Choice(StationStatus, required=True)
    reason = Text(max_length=500, required=True, allow_none=True)
    changed_by = Nested(StationManager, required=True, allow_none=True)


def _in_the_week(hours: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
    """The spans in minutes from Monday's midnight; Sunday's night also as the beginning of Monday."""
    week = 7 * MINUTES_A_DAY
    spans = []
    for one in hours:
        opens, closes = span_of(one)
        midnight = (one["weekday"] - 1) * MINUTES_A_DAY
        spans.append((midnight + opens, midnight + closes))
        if midnight + closes > week:
            spans.append((midnight + opens - week, midnight + closes - week))
    return spans


def _overlap(spans: Sequence[tuple[int, int]]) -> bool:
    return any(second[0] < first[1] for first, second in pairwise(sorted(spans)))
