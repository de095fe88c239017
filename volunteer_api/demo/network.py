"""The practice center of district 410403 with its offices and stations, and a desk in each station."""

import csv
from importlib import resources
from uuid import UUID

from volunteer_api.core import clock
from volunteer_api.demo.stage import HOME_OFFICE, Place, Stage
from volunteer_api.organizations.divisions import import_divisions
from volunteer_api.organizations.models import Organization
from volunteer_api.organizations.service import build_network
from volunteer_api.stations.models import StationKind
from volunteer_api.stations.service import create_station

DISTRICT = "410403"
DIVISIONS = "pingdingshan-divisions.csv"
# Around the middle of the district; the places themselves are invented.
MIDDLE = (33.735, 113.335)
OFFICES_IN_A_ROW = 4
BETWEEN_OFFICES = 0.013
AROUND_OFFICE = 0.005
EVERY_DAY = [{"weekday": weekday, "opens": "08:00", "closes": "18:00"} for weekday in range(1, 8)]
READING_HOURS = [{"weekday": weekday, "opens": "09:00", "closes": "21:00"} for weekday in range(2, 8)]
SERVICES = ["饮用热水", "手机充电", "无线网络", "雨伞借用", "应急药箱", "针线包", "打气筒"]


def build(stage: Stage) -> None:
    """Import the whole city's divisions and make the district's into organizations."""
    with clock.at(stage.founded_at):
        with (resources.files("volunteer_api.organizations") / "data" / DIVISIONS).open(encoding="utf-8-sig") as file:
            import_divisions(csv.DictReader(file))
        made = build_network(DISTRICT)
    stage.center = _place(made.center)
    stage.offices = [_place(office) for office in made.offices]
    stage.stations = [_place(station) for station in made.stations]


def open_stations(stage: Stage) -> None:
    """Open one desk in each practice station, and the district's reading room."""
    with clock.at(stage.founded_at):
        for number, office in enumerate(stage.offices):
            row, column = divmod(number, OFFICES_IN_A_ROW)
            middle = (
                MIDDLE[0] + (1 - row) * BETWEEN_OFFICES,
                MIDDLE[1] + (column - (OFFICES_IN_A_ROW - 1) / 2) * BETWEEN_OFFICES,
            )
            stage.middles[office.division_code] = {"lat": round(middle[0], 6), "lng": round(middle[1], 6)}
            for station in stage.stations_of(office):
                stage.desks[station.division_code] = _open_desk(stage, station, middle)
        create_station(
            code="WD-003-R1",
            name="智慧书屋（五一路）",
            kind=StationKind.READING_ROOM,
            organization_id=stage.home_office.id,
            place=stage.middles[HOME_OFFICE],
            address="五一路街道文化广场一层",
            opening_hours=READING_HOURS,
            services=["图书借阅", "自习座位", "饮用热水", "无线网络"],
        )


def _open_desk(stage: Stage, station: Place, middle: tuple[float, float]) -> UUID:
    latitude, longitude = (
        round(degrees + stage.random.uniform(-AROUND_OFFICE, AROUND_OFFICE), 6) for degrees in middle
    )
    desk = create_station(
        code=f"WD-{station.division_code[6:9]}-{station.division_code[9:]}",
        name=f"{station.title}志愿服务台",
        kind=StationKind.DESK,
        organization_id=station.id,
        place={"lat": latitude, "lng": longitude},
        address=f"{station.title}党群服务中心门前",
        opening_hours=EVERY_DAY,
        services=sorted(stage.random.sample(SERVICES, 5)),
    )
    return desk.id


def _place(organization: Organization) -> Place:
    title = organization.name.split("新时代文明实践")[0]
    return Place(id=organization.id, division_code=organization.division_code or "", title=title)
