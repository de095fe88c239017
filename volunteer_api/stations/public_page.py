"""The page behind a station's QR label, for whoever has no app: inert, Chinese or English, nothing from elsewhere."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from volunteer_api.core import clock, texts
from volunteer_api.core.downloads import HTML, Download
from volunteer_api.core.holidays import DayKind, day_kind
from volunteer_api.core.settings import settings
from volunteer_api.stations import offers, opening, views
from volunteer_api.stations.models import Station, StationStatus

DAYS_OF_EXCEPTIONS = 5
_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
# A phone gets one of the two; what a code of ours is called stands behind the word for what it is a code of.
CHINESE: Mapping[str, str] = {
    "kind desk": "服务台",
    "kind post": "服务岗",
    "kind reading_room": "智慧书屋",
    "kind service_point": "便民服务点",
    "status planned": "筹备中",
    "status open": "正常服务",
    "status paused": "暂停服务",
    "status closed": "已撤销",
    "open_now": "正在开放",
    "closed_now": "现未开放",
    "until": "至 {}",
    "next": "下次开放 {}",
    "hours": "开放时间",
    "closed": "不开放",
    "days": "周一 周二 周三 周四 周五 周六 周日",
    "special": "近期调整",
    "services": "服务项目",
    "place": "地址",
    "contact": "联系方式",
    "code": "站点编号",
    "scan": "这是志愿者签到码，请用志愿服务应用扫描签到。",
    "holiday": "今天是法定节假日。",
    "holidays closed": "法定节假日不开放。",
    "holidays office": "法定节假日不开放，调休上班日按周一时间开放。",
    "holidays sunday": "法定节假日按周日时间开放，调休上班日按周一时间开放。",
}
ENGLISH: Mapping[str, str] = {
    "kind desk": "Service desk",
    "kind post": "Service post",
    "kind reading_room": "Reading room",
    "kind service_point": "Service point",
    "status planned": "Planned",
    "status open": "In service",
    "status paused": "Paused",
    "status closed": "Closed for good",
    "open_now": "Open now",
    "closed_now": "Closed now",
    "until": "until {}",
    "next": "opens {}",
    "hours": "Hours",
    "closed": "closed",
    "days": "Mon Tue Wed Thu Fri Sat Sun",
    "special": "Changes ahead",
    "services": "Services",
    "place": "Address",
    "contact": "Contact",
    "code": "Station code",
    "scan": "This is a volunteers' check-in code: scan it with the volunteer app.",
    "holiday": "Today is a public holiday.",
    "holidays closed": "Closed on public holidays.",
    "holidays office": "Closed on public holidays; Monday's hours on weekend days that are worked.",
    "holidays sunday": "Sunday's hours on public holidays, Monday's on weekend days that are worked.",
}


def station_page(station: Station, *, scanned: bool) -> Download:
    """The page of a station, which is never kept: it says what is open now. `scanned` where a presence code led here.

    No photo and no map: it must open at once on a bad line.
    """
    language = texts.language()
    words = CHINESE if language == "zh-CN" else ENGLISH
    outlook = views.outlook_of(station)
    page = _pages.get_template("station.html").render(
        language=language,
        words=words,
        station=station,
        in_service=station.status == StationStatus.OPEN,
        outlook=outlook,
        when=_when(outlook, words),
        week=_week(station.opening_hours, words),
        exceptions=_exceptions(station, words),
        holiday_rule=words.get(f"holidays {station.holiday_rule}", ""),
        is_holiday=day_kind(clock.today()) is DayKind.HOLIDAY,
        services=offers.shown(station.services, language),
        contact=views.contact_of(station),
        scanned=scanned,
    )
    return Download(page.encode(), HTML)


def _when(outlook: opening.Outlook, words: Mapping[str, str]) -> str:
    if outlook.closes_at is not None:
        return words["until"].format(_moment(outlook.closes_at))
    return words["next"].format(_moment(outlook.opens_at)) if outlook.opens_at is not None else ""


def _moment(moment: datetime) -> str:
    local = moment.astimezone(settings().zone)
    return f"{local:%H:%M}" if local.date() == clock.today() else f"{local:%m-%d %H:%M}"


def _week(opening_hours: Sequence[Mapping[str, Any]], words: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each weekday's name with its hours."""
    days: list[tuple[str, str]] = []
    for weekday, name in enumerate(words["days"].split(), start=1):
        hours = [one for one in opening_hours if one["weekday"] == weekday]
        days.append((name, _spans(hours, words)))
    return days


def _spans(hours: Sequence[Mapping[str, str]], words: Mapping[str, str]) -> str:
    ordered = sorted(hours, key=lambda one: one["opens"])
    return "  ".join(f"{one['opens']}–{one['closes']}" for one in ordered) or words["closed"]


def _exceptions(station: Station, words: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Days, hours and note of what comes next."""
    today = clock.today().isoformat()
    coming = sorted(
        (one for one in station.hour_exceptions if one["last_on"] >= today), key=lambda one: str(one["first_on"])
    )
    return [
        (_days(one["first_on"], one["last_on"]), _spans(one["hours"], words), one["note"] or "")
        for one in coming[:DAYS_OF_EXCEPTIONS]
    ]


def _days(first_on: str, last_on: str) -> str:
    first, last = (date.fromisoformat(text) for text in (first_on, last_on))
    return first.isoformat() if first == last else f"{first} – {last}"
