"""What stations offer: the services that every phone knows by a code, beside those that a station words itself."""

from collections.abc import Iterable
from enum import StrEnum

from volunteer_api.core import texts
from volunteer_api.core.schema import half_width


class OfferedService(StrEnum):
    HOT_WATER = "hot_water"
    CHARGING = "charging"
    WIFI = "wifi"
    REST = "rest"
    TOILET = "toilet"
    NURSING_ROOM = "nursing_room"
    MICROWAVE = "microwave"
    UMBRELLA_LOAN = "umbrella_loan"
    WHEELCHAIR_LOAN = "wheelchair_loan"
    CRUTCHES_LOAN = "crutches_loan"
    TOOL_LOAN = "tool_loan"
    PUMP = "pump"
    SEWING_KIT = "sewing_kit"
    FIRST_AID = "first_aid"
    DEFIBRILLATOR = "defibrillator"
    BOOK_LOAN = "book_loan"
    READING_SEATS = "reading_seats"
    LOST_AND_FOUND = "lost_and_found"
    INFORMATION = "information"
    POLICY_ADVICE = "policy_advice"
    VOLUNTEER_REGISTRATION = "volunteer_registration"


# The name in Chinese and in English, then other names under which people write it.
NAMES: dict[OfferedService, tuple[str, ...]] = {
    OfferedService.HOT_WATER: ("饮用热水", "Hot water", "热水", "饮水", "茶水"),
    OfferedService.CHARGING: ("手机充电", "Phone charging", "充电"),
    OfferedService.WIFI: ("无线网络", "Wi-Fi", "wifi", "免费无线", "无线上网"),
    OfferedService.REST: ("歇脚休息", "Rest area", "休息", "歇脚"),
    OfferedService.TOILET: ("卫生间", "Toilet", "厕所", "公厕"),
    OfferedService.NURSING_ROOM: ("母婴室", "Nursing room", "哺乳室"),
    OfferedService.MICROWAVE: ("加热餐食", "Microwave", "微波炉", "热饭"),
    OfferedService.UMBRELLA_LOAN: ("雨伞借用", "Umbrella loan", "雨伞", "借伞"),
    OfferedService.WHEELCHAIR_LOAN: ("轮椅借用", "Wheelchair loan", "轮椅"),
    OfferedService.CRUTCHES_LOAN: ("拐杖借用", "Crutches loan", "拐杖"),
    OfferedService.TOOL_LOAN: ("工具借用", "Tool loan", "维修工具", "修理工具"),
    OfferedService.PUMP: ("打气筒", "Bicycle pump", "充气"),
    OfferedService.SEWING_KIT: ("针线包", "Sewing kit", "针线"),
    OfferedService.FIRST_AID: ("应急药箱", "First-aid kit", "急救箱", "急救包", "药箱"),
    OfferedService.DEFIBRILLATOR: ("自动体外除颤器", "Defibrillator (AED)", "AED", "除颤仪"),
    OfferedService.BOOK_LOAN: ("图书借阅", "Book loan", "借书", "图书"),
    OfferedService.READING_SEATS: ("自习座位", "Reading seats", "自习", "阅览座位"),
    OfferedService.LOST_AND_FOUND: ("失物招领", "Lost and found"),
    OfferedService.INFORMATION: ("问询指路", "Information", "指路", "问路", "咨询"),
    OfferedService.POLICY_ADVICE: ("政策宣传咨询", "Advice on policies", "政策咨询"),
    OfferedService.VOLUNTEER_REGISTRATION: ("志愿者注册", "Volunteer registration"),
}
_BY_NAME = {name.casefold(): service for service, names in NAMES.items() for name in (service.value, *names)}
_SHOWN = {
    language: {service.value: names[place] for service, names in NAMES.items()}
    for place, language in enumerate(("zh-CN", "en"))
}


def normalized(services: Iterable[str]) -> list[str]:
    """The services, the known ones by their codes, each once, in the order given; others stay as they are worded."""
    found = (_BY_NAME.get(half_width(text).strip().casefold(), text) for text in services)
    return list(dict.fromkeys(str(service) for service in found))


def shown(services: Iterable[str], language: str | None = None) -> list[str]:
    """What people read for the services, in `language` or in the request's."""
    names = _SHOWN["zh-CN" if (language or texts.language()) == "zh-CN" else "en"]
    return [names.get(service, service) for service in services]
