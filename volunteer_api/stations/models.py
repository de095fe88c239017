"""Service stations."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock
from volunteer_api.core.database import Base, Identified, Versioned
from volunteer_api.core.geo import Place, Spot, cell_of
from volunteer_api.core.pinyin import spelled
from volunteer_api.files.models import StoredFile
from volunteer_api.organizations.models import Organization


class StationKind(StrEnum):
    DESK = "desk"
    POST = "post"
    READING_ROOM = "reading_room"
    SERVICE_POINT = "service_point"


class StationStatus(StrEnum):
    PLANNED = "planned"
    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"


class HolidayRule(StrEnum):
    """Which weekly hours a station keeps on a public holiday, and on a weekend day that is worked instead.

    regular: its weekly hours, whatever day it is. closed: none on a holiday. office: none on a holiday, Monday's on a
    weekend day that is worked. sunday: Sunday's on a holiday, Monday's on a weekend day that is worked.
    """

    REGULAR = "regular"
    CLOSED = "closed"
    OFFICE = "office"
    SUNDAY = "sunday"


def _one_of(column: str, values: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


# Worked out by the row itself, so that whoever inserts one can't forget it or give it another's.
def _given(context: DefaultExecutionContext) -> dict[str, Any]:
    row: dict[str, Any] = context.get_current_parameters()  # type: ignore[no-untyped-call]  # SQLAlchemy's own
    return row


def _cell(context: DefaultExecutionContext) -> int:
    return cell_of(_given(context)["latitude"], _given(context)["longitude"])


def _initials(context: DefaultExecutionContext) -> str:
    return spelled(_given(context)["name"]).initials


def _pinyin(context: DefaultExecutionContext) -> str:
    return spelled(_given(context)["name"]).pinyin


class Station(Identified, Versioned, Base):
    """A service station of an organization, at a place in WGS-84 degrees.

    `opening_hours` is a list of `{"weekday": 1..7 (Monday first), "opens": "08:00", "closes": "18:00"}` in local time,
    `closes` up to "24:00", or not after `opens` where it closes the next morning. `hour_exceptions` is a list of
    `{"first_on", "last_on", "hours": [{"opens", "closes"}], "note"}`, days as ISO texts. `services` is a list of codes
    of OfferedService and of short texts of the station's own. Change the place by `stand_at`, the name by `rename`,
    the hours by `service.set_hours`: other columns and rows follow them.
    """

    __tablename__ = "stations"
    __table_args__ = (
        CheckConstraint(_one_of("kind", StationKind), name="kind"),
        CheckConstraint(_one_of("status", StationStatus), name="status"),
        CheckConstraint(_one_of("holiday_rule", HolidayRule), name="holiday_rule"),
        CheckConstraint("latitude BETWEEN -90 AND 90", name="latitude"),
        CheckConstraint("longitude BETWEEN -180 AND 180", name="longitude"),
        UniqueConstraint("code"),
        Index("ix_stations_cell", "cell"),
        Index("ix_stations_organization_id", "organization_id"),
        Index("ix_stations_initials", "initials"),
        Index("ix_stations_pinyin", "pinyin"),
    )

    code: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(100))
    # As `core.pinyin.spelled` gives them: hxsqfwt and hexishequfuwutai for 河西社区服务台.
    initials: Mapped[str] = mapped_column(default=_initials)
    pinyin: Mapped[str] = mapped_column(default=_pinyin)
    kind: Mapped[str] = mapped_column(String(20))
    organization_id: Mapped[UUID] = mapped_column(ForeignKey(Organization.id))
    status: Mapped[str] = mapped_column(String(20), default=StationStatus.OPEN)
    status_reason: Mapped[str | None] = mapped_column(String(500))
    status_since: Mapped[datetime] = mapped_column(default=clock.now)
    latitude: Mapped[float]
    longitude: Mapped[float]
    cell: Mapped[int] = mapped_column(BigInteger, default=_cell)
    address: Mapped[str] = mapped_column(String(200))
    opening_hours: Mapped[list[Any]]
    hour_exceptions: Mapped[list[Any]] = mapped_column(default=list)
    holiday_rule: Mapped[str] = mapped_column(String(20), default=HolidayRule.REGULAR)
    # Between these minutes of a day lie all of its hours, whatever day it is; both 0 where it has none.
    first_minute: Mapped[int] = mapped_column(default=0)
    last_minute: Mapped[int] = mapped_column(default=0)
    services: Mapped[list[Any]]
    # The desk's, for everybody to see: `contact_phone` is E.164.
    contact_name: Mapped[str | None] = mapped_column(String(50))
    contact_phone: Mapped[str | None] = mapped_column(String(20))

    @property
    def place(self) -> dict[str, float]:
        """`{lat, lng}` in WGS-84 degrees."""
        return {"lat": self.latitude, "lng": self.longitude}

    def stand_at(self, place: Place) -> None:
        """Move it to a place in WGS-84 degrees."""
        self.latitude, self.longitude = place
        self.cell = cell_of(*place)

    def rename(self, name: str) -> None:
        """Give it another name, and its spelling with it."""
        spelling = spelled(name)
        self.name, self.initials, self.pinyin = name, spelling.initials, spelling.pinyin


SPOT = Spot(Station.latitude, Station.longitude, Station.cell)


class StationHours(Base):
    """One span of a station's hours as the filter by time reads it; made from the station's lists, never by itself.

    Minutes count from the local midnight at which the day begins, `closes_minute` past 1440 where it closes the next
    morning. A weekly span has its `weekday`; an exception has its days, and 0 to 0 where the station is closed on them.
    """

    __tablename__ = "station_hours"
    __table_args__ = (
        CheckConstraint("weekday BETWEEN 1 AND 7", name="weekday"),
        CheckConstraint("(weekday IS NULL) = (first_on IS NOT NULL AND last_on IS NOT NULL)", name="weekly_or_dated"),
        CheckConstraint("opens_minute BETWEEN 0 AND 1439 AND closes_minute BETWEEN opens_minute AND 2880", name="span"),
    )

    station_id: Mapped[UUID] = mapped_column(ForeignKey(Station.id), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    weekday: Mapped[int | None]
    first_on: Mapped[date | None]
    last_on: Mapped[date | None]
    opens_minute: Mapped[int]
    closes_minute: Mapped[int]


class StationPhoto(Base):
    """A photo of a station; the one at position 0 stands for it in lists."""

    __tablename__ = "station_photos"
    __table_args__ = (Index("ix_station_photos_file_id", "file_id"),)

    station_id: Mapped[UUID] = mapped_column(ForeignKey(Station.id), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    file_id: Mapped[UUID] = mapped_column(ForeignKey(StoredFile.id))


class StationStatusChange(Identified, Base):
    """That a station became what it is: `created_at` is when, `from_status` None where it was set up."""

    __tablename__ = "station_status_changes"
    __table_args__ = (
        CheckConstraint(_one_of("from_status", StationStatus), name="from_status"),
        CheckConstraint(_one_of("to_status", StationStatus), name="to_status"),
        Index("ix_station_status_changes_station_id_id", "station_id", "id"),
        Index("ix_station_status_changes_changed_by", "changed_by"),
    )

    station_id: Mapped[UUID] = mapped_column(ForeignKey(Station.id))
    from_status: Mapped[str | None] = mapped_column(String(20))
    to_status: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(500))
    changed_by: Mapped[UUID | None] = mapped_column(ForeignKey(Volunteer.id))
