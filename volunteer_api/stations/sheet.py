"""A table of stations: its columns, what may stand in their cells, and what the cells of a station are.

What a cell means is told here; whether it may be so, by the payloads that `POST` and `PATCH` of stations take.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import phonenumbers

from volunteer_api.core.codes import folded
from volunteer_api.core.database import db
from volunteer_api.core.geo import Datum
from volunteer_api.core.schema import Fault
from volunteer_api.core.tables import Column, phone_of
from volunteer_api.organizations.queries import places_below
from volunteer_api.stations import offers, written_hours
from volunteer_api.stations.models import Station, StationKind, StationStatus
from volunteer_api.stations.public_page import CHINESE

CODE = Column("站点编号", ("编号", "代码", "站点代码", "编码", "站点编码", "code"))
NAME = Column("站点名称", ("名称", "站点", "服务站点", "站点名", "name"), required=True)
KIND = Column("类别", ("站点类别", "类型", "站点类型", "kind"))
ORGANIZATION = Column(
    "所属组织", ("所属实践站", "所属实践所", "实践站", "实践所", "所属单位", "组织", "区划代码", "organization")
)
ADDRESS = Column("地址", ("详细地址", "站点地址", "位置", "address"))
LATITUDE = Column("纬度", ("lat", "latitude"))
LONGITUDE = Column("经度", ("lng", "lon", "longitude"))
DATUM = Column("坐标系", ("坐标类型", "坐标来源", "坐标系统", "datum"))
HOURS = Column("开放时间", ("服务时间", "营业时间", "工作时间", "opening_hours"))
SERVICES = Column("服务项目", ("服务内容", "服务", "services"))
CONTACT = Column("联系电话", ("电话", "站点电话", "服务电话", "contact"))
MANAGERS = Column("站长手机", ("站长手机号", "站长电话", "管理员手机", "负责人手机", "managers"))
STATUS = Column("状态", ("站点状态", "运行状态", "status"))
REASON = Column("状态说明", ("暂停原因", "撤销原因", "原因", "status_reason"))
COLUMNS = (
    NAME,
    KIND,
    CODE,
    ORGANIZATION,
    ADDRESS,
    LATITUDE,
    LONGITUDE,
    DATUM,
    HOURS,
    SERVICES,
    CONTACT,
    MANAGERS,
    STATUS,
    REASON,
)
# What a new station lacks where its cell is blank; a table of changes may go without these columns.
NEEDED = (NAME, KIND, ADDRESS, LATITUDE, LONGITUDE, DATUM)
PLACE = (LATITUDE, LONGITUDE, DATUM)
HINTS = (
    "带 * 的列新设站点必填。类别：服务台、服务岗、智慧书屋、便民服务点。状态：正常服务（不填即是）或筹备中；"
    "已有站点还可改为暂停服务、已撤销，并填状态说明。",
    "所属组织填本组织或下级组织的名称或区划代码，不填为导入时所选组织。站点编号不填则自动生成，如 WD-001。",
    "坐标系填坐标的来源：高德、腾讯、百度或 WGS84（GPS），填错会偏出数百米。",
    "开放时间如：周一至周五 08:00-18:00;周六、周日 09:00-17:00，或每天 08:00-20:00；一天两段用逗号隔开。",
    "服务项目、站长手机有多个时用分号隔开。尚未注册的站长，用该手机号注册后生效。",
    "编号相同、或同一组织内名称相同的站点已存在：默认不改动；选择更新时只改填了的单元格，站长只增不减。",
)
KIND_WORDS = {
    **{CHINESE[f"kind {kind}"]: kind for kind in StationKind},
    **{folded(kind): kind for kind in StationKind},
    **dict.fromkeys(("志愿服务台", "服务站"), StationKind.DESK),
    **dict.fromkeys(("岗亭", "志愿服务岗"), StationKind.POST),
    **dict.fromkeys(("书屋", "阅览室", "城市书房"), StationKind.READING_ROOM),
    **dict.fromkeys(("服务点", "便民点"), StationKind.SERVICE_POINT),
}
STATUS_WORDS = {
    **{CHINESE[f"status {status}"]: status for status in StationStatus},
    **{folded(status): status for status in StationStatus},
    **dict.fromkeys(("筹备", "筹建", "筹建中", "待开放"), StationStatus.PLANNED),
    **dict.fromkeys(("正常", "开放", "开放中", "运行", "启用", "在用"), StationStatus.OPEN),
    **dict.fromkeys(("暂停", "停用"), StationStatus.PAUSED),
    **dict.fromkeys(("撤销", "关闭", "已关闭"), StationStatus.CLOSED),
}
WGS84 = "WGS84"
# CGCS2000, which 天地图 uses, is within centimeters of WGS-84.
DATUM_WORDS = {
    **dict.fromkeys(("wgs84", "wgs-84", "gps", "天地图", "cgcs2000", "国家2000", "大地2000"), Datum.WGS84),
    **dict.fromkeys(("高德", "高德地图", "腾讯", "腾讯地图", "微信", "火星坐标", "gcj02", "gcj-02"), Datum.GCJ02),
    **dict.fromkeys(("百度", "百度地图", "bd09", "bd-09"), Datum.BD09),
}
# Tenths of a meter: no surveyor's numbers, and the same ones when the table comes back.
DIGITS = 6
MOST_MANAGERS = 20
DEGREES = re.compile(r"-?\d{1,3}(\.\d{1,15})?", re.ASCII)
SEMICOLONS, SEPARATORS = re.compile("[;；]"), re.compile("[;；,，、]")
# 五一路街道 is what people write of 五一路街道新时代文明实践所.
LONG_NAME = re.compile("新时代文明实践(中心|所|站)$")


class Places:
    """The organizations that a table may name: the one that it is for, and all below it."""

    def __init__(self, organization_id: UUID) -> None:
        """One statement."""
        rows = db.session.execute(places_below(organization_id)).all()
        self.names: dict[UUID, str] = {row.id: row.name for row in rows}
        self.closed: frozenset[UUID] = frozenset(row.id for row in rows if row.closed_at is not None)
        self._codes: dict[UUID, str | None] = {row.id: row.division_code for row in rows}
        # The whole name before the code, and that before what people make of the name.
        self._called: list[dict[str, set[UUID]]] = [{}, {}, {}]
        for row in rows:
            # What is closed is found where nothing else has the name: to be told that it is.
            names = (row.name, row.division_code or "", LONG_NAME.sub("", row.name))
            for called, name in zip(self._called, names, strict=True):
                called.setdefault(folded(name), set()).add(row.id)

    def find(self, text: str) -> UUID | Fault:
        """The organization of this name or division code."""
        for called in self._called:
            found = called.get(folded(text), set())
            found = found - self.closed or found
            if len(found) > 1:
                return Fault(
                    "organization_ambiguous",
                    "Several organizations here are called so; write the name or division code that only one has.",
                )
            for only in found:
                if only in self.closed:
                    return Fault(
                        "organization_closed", "%(name)s is closed and takes on nothing new.", name=self.names[only]
                    )
                return only
        return Fault("organization_unknown", "There is no organization of this name or division code here or below.")

    def written(self, organization_id: UUID) -> str:
        """What `find` finds the organization by."""
        name, code = self.names[organization_id], self._codes[organization_id]
        return name if code is None or self.find(name) == organization_id else code


def cells_of(station: Station, places: Places) -> dict[str, str | float]:
    """What stands in a station's row by column; its managers' phones are not the station's own."""
    phone = station.contact_phone
    return {
        NAME.name: station.name,
        KIND.name: CHINESE[f"kind {station.kind}"],
        CODE.name: station.code,
        ORGANIZATION.name: places.written(station.organization_id),
        ADDRESS.name: station.address,
        LATITUDE.name: round(station.latitude, DIGITS),
        LONGITUDE.name: round(station.longitude, DIGITS),
        DATUM.name: WGS84,
        HOURS.name: written_hours.written(station.opening_hours),
        SERVICES.name: _joined(offers.shown(station.services, "zh-CN")),
        CONTACT.name: "" if phone is None else _national(phone),
        STATUS.name: CHINESE[f"status {station.status}"],
        REASON.name: station.status_reason or "",
    }


def differing(values: Mapping[str, str], cells: Mapping[str, str | float]) -> set[str]:
    """The columns in which a row's filled cells say something else than those of its station."""
    found = {name for name, shown in cells.items() if values.get(name) and values[name] != _plain(shown)}
    # The three are one thing.
    return found | {column.name for column in PLACE} if in_place(found) else found


def payload_of(values: Mapping[str, str], columns: Collection[str]) -> tuple[dict[str, Any], dict[str, Fault]]:
    """What a row's filled cells in these columns say, as the body of a call would; and what can't be understood.

    Without the organization and the managers, who are no member of a station.
    """
    found: dict[str, Any] = {}
    faults: dict[str, Fault] = {}
    for column, (member, read) in _READERS.items():
        text = values.get(column.name, "")
        if text and column.name in columns:
            value = read(text)
            if isinstance(value, Fault):
                faults[column.name] = value
            else:
                found[member] = value
    if in_place(columns):
        place, others = _place(values)
        faults |= others
        if place is not None:
            found["place"] = place
    return found, faults


def column_of(pointer: str) -> str:
    """The column whose cell a fault of a payload is about."""
    members = pointer.split("/")[1:]
    if members[:1] == ["place"]:
        return (LONGITUDE if members[1:] == ["lng"] else LATITUDE).name
    return next((column.name for column, (member, _) in _READERS.items() if [member] == members[:1]), NAME.name)


def member_of(column: Column) -> str | None:
    """The member of a station that a column is of, None where it is of none by itself."""
    if column in (LATITUDE, LONGITUDE):
        return "place"
    if column == ORGANIZATION:
        return "organization_id"
    return _READERS[column][0] if column in _READERS else None


def in_place(columns: Collection[str]) -> bool:
    """Whether one of the columns is of a place."""
    return any(column.name in columns for column in PLACE)


def phones_of(text: str) -> list[str] | Fault:
    """The managers' phones in a cell, in E.164, each once."""
    if "*" in folded(text):
        return Fault("phone_masked", "This phone is masked; write the whole number, or leave the cell blank.")
    phones = [phone_of(one) for one in SEPARATORS.split(text.replace("/", ";")) if one.strip()]
    known = list(dict.fromkeys(phone for phone in phones if phone is not None))
    if len(known) < len(set(phones)) or not known:
        return Fault("not_phone")
    return Fault("max_length", max=MOST_MANAGERS) if len(known) > MOST_MANAGERS else known


def written_phones(phones: Iterable[str]) -> str:
    """Phones as `phones_of` reads them."""
    return ";".join(phone.removeprefix("+86") for phone in phones)


def _kind(text: str) -> str | Fault:
    kind = KIND_WORDS.get(folded(text))
    return str(kind) if kind else Fault("not_station_kind", "A kind is 服务台, 服务岗, 智慧书屋 or 便民服务点.")


def _status(text: str) -> str | Fault:
    status = STATUS_WORDS.get(folded(text))
    return str(status) if status else Fault("not_status", "A status is 筹备中, 正常服务, 暂停服务 or 已撤销.")


def _services(text: str) -> list[str]:
    """By semicolons where there is one, else by commas too: a text of a station's own may have commas."""
    separator = SEMICOLONS if SEMICOLONS.search(text) else SEPARATORS
    return [one for part in separator.split(text) if (one := part.strip())]


def _joined(services: Sequence[str]) -> str:
    alone = len(services) == 1 and SEPARATORS.search(services[0]) is not None
    return ";".join(services) + (";" if alone else "")


def _place(values: Mapping[str, str]) -> tuple[dict[str, Any] | None, dict[str, Fault]]:
    texts = [values.get(column.name, "") for column in PLACE]
    faults = {column.name: Fault("required") for column, text in zip(PLACE, texts, strict=True) if not text}
    degrees = [_degrees(text) for text in texts[:2]]
    for column, text, number in zip(PLACE, texts, degrees, strict=False):
        if text and number is None:
            faults[column.name] = Fault("not_degrees", "Write degrees as a decimal number, like 33.7354.")
    datum = DATUM_WORDS.get(folded(texts[2]))
    if texts[2] and datum is None:
        faults[DATUM.name] = Fault("not_datum", "Say what the coordinates come from: 高德, 腾讯, 百度 or WGS84 (GPS).")
    if faults or datum is None:
        return None, faults
    return {"lat": degrees[0], "lng": degrees[1], "datum": str(datum)}, {}


def _degrees(text: str) -> float | None:
    plain = folded(text).strip("°ne")
    return float(plain) if DEGREES.fullmatch(plain) else None


def _national(phone: str) -> str:
    number = phonenumbers.parse(phone)
    found = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    # A mobile number is one word; 0375 286 1234 may be read aloud.
    return found if found.startswith(("0", "4", "8")) else found.replace(" ", "")


def _plain(value: str | float) -> str:
    """What the reader of tables makes of a cell."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    return " ".join(value.split())


_READERS: Mapping[Column, tuple[str, Callable[[str], Any]]] = {
    NAME: ("name", str),
    KIND: ("kind", _kind),
    CODE: ("code", str),
    ADDRESS: ("address", str),
    HOURS: ("opening_hours", written_hours.hours_of),
    SERVICES: ("services", _services),
    CONTACT: ("contact", lambda text: {"phone": text}),
    STATUS: ("status", _status),
    REASON: ("status_reason", str),
}
