"""The desk kit and the first-aid box of every desk, and what was handed out and bought since."""

from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from functools import partial
from uuid import UUID

from volunteer_api.core import clock
from volunteer_api.demo.stage import ADMINISTRATOR, HOME_STATION, STATION_MANAGER, Place, Stage
from volunteer_api.inventory.models import ItemKind, MovementReason, RecordableKind
from volunteer_api.inventory.service import Line, create_item, record_movement

# Name, kind, unit, how many a desk begins with. After the newspaper page that the project started from.
KIT = (
    ("打气筒", ItemKind.DURABLE, "台", 1),
    ("轮椅", ItemKind.DURABLE, "辆", 1),
    ("拐杖", ItemKind.DURABLE, "副", 2),
    ("茶叶", ItemKind.CONSUMABLE, "包", 20),
    ("扳手", ItemKind.DURABLE, "把", 2),
    ("钳子", ItemKind.DURABLE, "把", 2),
    ("螺丝刀", ItemKind.DURABLE, "把", 3),
    ("雨伞", ItemKind.DURABLE, "把", 10),
    ("针线包", ItemKind.CONSUMABLE, "个", 5),
    ("心肺复苏图示", ItemKind.DURABLE, "张", 1),
)
FIRST_AID = (
    ("碘伏", ItemKind.MEDICAL, "瓶", 3),
    ("棉签", ItemKind.MEDICAL, "包", 10),
    ("无菌纱布", ItemKind.MEDICAL, "包", 10),
)
PROHIBITED = ("处方药", ItemKind.MEDICAL, "盒")
HANDED_OUT = ("茶叶", "针线包", "棉签", "无菌纱布")
MONTHS_UNTIL_EXPIRY = (1, 9, 16, 20, 28)
DAYS_OF_HANDING_OUT = (-26, -22, -19, -15, -12, -8, -5, -1)


def steps(stage: Stage) -> Iterator[Callable[[], None]]:
    """The catalogue with every desk's first stock, then the weeks since, day by day."""
    items: dict[str, UUID] = {}

    def fill_desks() -> None:
        _write_catalogue(stage, items)
        for station in stage.stations:
            _receive_kit(stage, items, station)

    yield fill_desks
    for day in DAYS_OF_HANDING_OUT:
        yield partial(_hand_out, stage, items, day)


def _write_catalogue(stage: Stage, items: dict[str, UUID]) -> None:
    with clock.at(stage.founded_at):
        for name, kind, unit, _ in (*KIT, *FIRST_AID):
            items[name] = create_item(name=name, kind=kind, unit=unit).id
        name, kind, unit = PROHIBITED
        create_item(name=name, kind=kind, unit=unit, prohibited=True)


def _receive_kit(stage: Stage, items: dict[str, UUID], station: Place) -> None:
    moment = stage.founded_at + timedelta(hours=1)
    lines: list[Line] = [Line(item_id=items[name], quantity=quantity) for name, _, _, quantity in KIT]
    lines += [_lot(stage, items[name], quantity, moment) for name, _, _, quantity in FIRST_AID]
    _move(stage, station, RecordableKind.RECEIPT, MovementReason.OPENING, lines, moment, "配备标准首次入库")


def _hand_out(stage: Stage, items: dict[str, UUID], day: int) -> None:
    """Some desks hand something out each time, the home desk always; in the middle of the month it is filled up."""
    home = next(station for station in stage.stations if station.division_code == HOME_STATION)
    desks = [home, *(desk for desk in stage.random.sample(stage.stations, 7) if desk is not home)]
    for number, desk in enumerate(desks):
        moment = stage.local(day, time(10, 7 * number % 60))
        name = stage.random.choice(HANDED_OUT)
        lines = [Line(item_id=items[name], quantity=1)]
        _move(stage, desk, RecordableKind.ISSUE, MovementReason.HANDED_OUT, lines, moment, "便民服务领用")
    if day == DAYS_OF_HANDING_OUT[4]:
        moment = stage.local(day, time(16))
        lines = [Line(item_id=items["茶叶"], quantity=10), _lot(stage, items["碘伏"], 2, moment)]
        _move(stage, home, RecordableKind.RECEIPT, MovementReason.PURCHASE, lines, moment, "补充采购")
        broken = [Line(item_id=items["雨伞"], quantity=1)]
        _move(stage, home, RecordableKind.WRITE_OFF, MovementReason.DAMAGED, broken, moment, "伞骨折断")


def _lot(stage: Stage, item_id: UUID, quantity: int, moment: datetime) -> Line:
    months = stage.random.choice(MONTHS_UNTIL_EXPIRY)
    years, month = divmod(stage.now.month - 1 + months, 12)
    expires_on = date(stage.now.year + years, month + 1, 28)
    # A lot number stands for one expiry date.
    lot_number = f"L{expires_on:%y%m}-{moment:%m%d}"
    return Line(item_id=item_id, quantity=quantity, lot_number=lot_number, expires_on=expires_on)


def _move(
    stage: Stage,
    station: Place,
    kind: RecordableKind,
    reason: MovementReason,
    lines: list[Line],
    moment: datetime,
    note: str,
) -> None:
    actor = STATION_MANAGER if station.division_code == HOME_STATION else ADMINISTRATOR
    with clock.at(moment):
        record_movement(
            station_id=stage.desks[station.division_code],
            actor_id=stage.volunteers[actor],
            kind=kind,
            reason=reason,
            lines=lines,
            note=note,
        )
