"""The two kit standards that come with the product: what a desk and its first-aid box must hold.

After the newspaper page that the project started from. It names everything of the desk kit; of the first-aid box it
names three of ten kinds and the picture guide, the other seven are a default that an organization changes by issuing a
version of its own. The page gives no numbers: minimums and what is critical are this project's own choice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from volunteer_api.catalog.models import ItemKind
from volunteer_api.stations.models import StationKind


class KitTemplate(StrEnum):
    """A standard that comes with the product; also the kit that it is about."""

    DESK = "desk"
    FIRST_AID = "first_aid"


@dataclass(frozen=True)
class TemplateLine:
    """An item by its name, with what it becomes where the catalogue does not have it yet."""

    name: str
    kind: ItemKind
    unit: str
    minimum: int
    critical: bool = False
    # After what labels usually say.
    days_once_opened: int | None = None


@dataclass(frozen=True)
class Template:
    """A standard as it is issued where nothing else is said."""

    name: str
    station_kinds: tuple[StationKind, ...]
    lines: tuple[TemplateLine, ...]


_DURABLE, _CONSUMABLE, _MEDICAL = ItemKind.DURABLE, ItemKind.CONSUMABLE, ItemKind.MEDICAL

TEMPLATES: Mapping[KitTemplate, Template] = {
    KitTemplate.DESK: Template(
        "志愿服务台配备标准",
        (StationKind.DESK,),
        (
            TemplateLine("打气筒", _DURABLE, "台", 1),
            TemplateLine("轮椅", _DURABLE, "辆", 1),
            TemplateLine("拐杖", _DURABLE, "副", 1),
            TemplateLine("茶叶", _CONSUMABLE, "包", 5),
            TemplateLine("扳手", _DURABLE, "把", 1),
            TemplateLine("钳子", _DURABLE, "把", 1),
            TemplateLine("螺丝刀", _DURABLE, "把", 1),
            TemplateLine("雨伞", _DURABLE, "把", 5),
            TemplateLine("针线包", _CONSUMABLE, "个", 2),
        ),
    ),
    KitTemplate.FIRST_AID: Template(
        "急救箱配备标准",
        (StationKind.DESK,),
        (
            TemplateLine("碘伏", _MEDICAL, "瓶", 1, critical=True, days_once_opened=30),
            TemplateLine("棉签", _MEDICAL, "包", 2, critical=True),
            TemplateLine("无菌纱布", _MEDICAL, "包", 4, critical=True),
            TemplateLine("创可贴", _MEDICAL, "盒", 1),
            TemplateLine("弹性绷带", _MEDICAL, "卷", 1),
            TemplateLine("医用胶布", _MEDICAL, "卷", 1),
            TemplateLine("一次性手套", _MEDICAL, "双", 4),
            TemplateLine("体温计", _DURABLE, "支", 1),
            TemplateLine("冰袋", _DURABLE, "个", 1),
            TemplateLine("剪刀", _DURABLE, "把", 1),
            TemplateLine("心肺复苏图示", _DURABLE, "张", 1),
        ),
    ),
}
