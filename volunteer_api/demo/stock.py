"""The desk kit and the first-aid box of every desk, and what was handed out and bought since."""

from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta
from functools import partial
from uuid import UUID

from volunteer_api.catalog.kits import issue_template, template_items
from volunteer_api.catalog.models import ItemKind
from volunteer_api.catalog.service import create_item
from volunteer_api.catalog.templates import TEMPLATES, KitTemplate
from volunteer_api.core import clock
from volunteer_api.demo import under_way
from volunteer_api.demo.stage import ADMINISTRATOR, HOME_STATION, STATION_MANAGER, Place, Stage
from volunteer_api.inventory.models import MovementReason, RecordableKind
from volunteer_api.inventory.service import Line, record_movement

KIT = TEMPLATES[KitTemplate.DESK].lines
FIRST_AID = TEMPLATES[KitTemplate.FIRST_AID].lines
# How many a desk begins with where that is more than it must hold.
BEGINS_WITH = {
    "拐杖": 2,
    "茶叶": 20,
    "扳手": 2,
    "钳子": 2,
    "螺丝刀": 3,
    "雨伞": 10,
    "针线包": 5,
    "碘伏": 3,
    "棉签": 10,
    "无菌纱布": 10,
    "创可贴": 4,
    "弹性绷带": 2,
    "医用胶布": 2,
    "一次性手套": 20,
    "冰袋": 2,
}
PROHIBITED = ("处方药", ItemKind.MEDICAL, "盒")
HANDED_OUT = ("茶叶", "针线包", "棉签", "无菌纱布")
# From now, of the lots that the desks began with. What is handed out has to be good still.
DAYS_UNTIL_EXPIRY = (270, 480, 510, 600, 720, 840, 900)
SOON, GONE_BY = 20, -4
HOME_LOTS = {"创可贴": SOON, "碘伏": GONE_BY}
USED_UP = ("弹性绷带", 2)
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
    yield partial(under_way.send, stage, items)


def _write_catalogue(stage: Stage, items: dict[str, UUID]) -> None:
    with clock.at(stage.founded_at):
        # The district issues both standards that come with the product, which brings their items.
        for template in KitTemplate:
            issue_template(template, organization_id=stage.center.id, issued_by=stage.volunteers[ADMINISTRATOR])
        items |= {name: item.id for name, item in template_items([*KIT, *FIRST_AID]).items()}
        name, kind, unit = PROHIBITED
        create_item(name=name, kind=kind, unit=unit, prohibited=True)


def _receive_kit(stage: Stage, items: dict[str, UUID], station: Place) -> None:
    moment = stage.founded_at + timedelta(hours=1)
    lines: list[Line] = []
    for line in (*KIT, *FIRST_AID):
        quantity = BEGINS_WITH.get(line.name, line.minimum)
        if line.kind == ItemKind.MEDICAL:
            days = _days_until_expiry(stage, station, line.name)
            lines.append(_lot(stage, items[line.name], quantity, moment, days))
        else:
            lines.append(Line(item_id=items[line.name], quantity=quantity))
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
        lines = [Line(item_id=items["茶叶"], quantity=10), _lot(stage, items["碘伏"], 2, moment, 600)]
        _move(stage, home, RecordableKind.RECEIPT, MovementReason.PURCHASE, lines, moment, "补充采购")
        name, quantity = USED_UP
        used = [Line(item_id=items[name], quantity=quantity)]
        _move(stage, home, RecordableKind.ISSUE, MovementReason.USED, used, moment, "处理扭伤用完")
        broken = [Line(item_id=items["雨伞"], quantity=1)]
        _move(stage, home, RecordableKind.WRITE_OFF, MovementReason.DAMAGED, broken, moment, "伞骨折断")


def _days_until_expiry(stage: Stage, station: Place, name: str) -> int:
    if station.division_code == HOME_STATION:
        return HOME_LOTS.get(name, DAYS_UNTIL_EXPIRY[-1])
    troubled = stage.random.randrange(20)
    if troubled == 0:
        return SOON + stage.random.randrange(-8, 9)
    if troubled == 1 and name not in HANDED_OUT:
        return GONE_BY - stage.random.randrange(20)
    return stage.random.choice(DAYS_UNTIL_EXPIRY)


def _lot(stage: Stage, item_id: UUID, quantity: int, moment: datetime, days: int) -> Line:
    expires_on = clock.local_date(stage.now) + timedelta(days=days)
    # A lot number stands for one expiry date.
    lot_number = f"L{expires_on:%y%m%d}-{moment:%m%d}"
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
