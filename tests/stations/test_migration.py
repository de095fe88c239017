"""The stations that stand when the version comes, and when it is taken back."""

from typing import Any

from flask import Flask
from sqlalchemy import select, text

from tests.factories import unit_of
from tests.organizations.factories import make_district
from tests.servers import migrate
from tests.stations.factories import make_station
from volunteer_api.core.database import db
from volunteer_api.core.geo import cell_of
from volunteer_api.stations.models import Station, StationHours

BEFORE = "2026_11_25_1_people"


def test_there_and_back_with_stations(own_app: Flask) -> None:
    special = {"first_on": "2026-12-01", "last_on": "2026-12-01", "hours": [], "note": None}
    district = make_district()
    station = make_station(
        organization_id=district.office.id,
        name="河西社区服务台",
        hour_exceptions=[special],
        services=["饮用热水", "代收快递"],
        contact={"name": None, "phone": "+863752861234"},
    )
    migrate(own_app, BEFORE, down=True)
    with own_app.app_context(), db.engine.connect() as connection:
        services = connection.execute(text("SELECT services FROM stations")).scalar_one()
        # The release before shows what is written.
        assert "饮用热水" in str(services)
        assert "hot_water" not in str(services)
    migrate(own_app)

    def look() -> tuple[Any, Any]:
        found = db.session.get_one(Station, station.id)
        rows = select(StationHours).where(StationHours.station_id == station.id).order_by(StationHours.position)
        return found, db.session.scalars(rows).all()

    found, hours = unit_of(own_app)(look)
    assert found.cell == cell_of(found.latitude, found.longitude)
    assert (found.initials, found.pinyin) == ("hxsqfwt", "hexishequfuwutai")
    assert found.services == ["hot_water", "代收快递"]
    assert (found.first_minute, found.last_minute) == (480, 1080)
    assert found.status_since == found.created_at
    assert (found.hour_exceptions, found.holiday_rule, found.contact_phone) == ([], "regular", None)
    assert [(one.weekday, one.opens_minute, one.closes_minute) for one in hours] == [
        (weekday, 480, 1080) for weekday in range(1, 6)
    ]
