"""What stands on a certificate and on the page that verifies it, in Chinese and in English."""

from collections.abc import Mapping
from typing import Any

CHINESE: Mapping[str, Any] = {
    "title": "志愿服务记录证明",
    "number": "证明编号",
    "name": "志愿者姓名",
    "volunteer_number": "志愿者编号",
    "resident_id": "居民身份证号码",
    "period": "服务期间",
    "period_value": "{} 至 {}",
    "hours": "服务时长",
    "count": "服务记录",
    "count_value": "{} 条",
    "issuer": "出具单位",
    "successor": "{}（现由{}承接）",
    "issued": "出具日期",
    "statement": "兹证明 {name} 在 {period} 参加本单位组织的志愿服务，服务时长共计 {hours}。明细如下。",
    "on": "日期",
    "time": "时间",
    "content": "服务内容",
    "place": "地点",
    "minutes": "时长",
    "backfilled": "（补录）",
    "seal": "出具单位（盖章）",
    "signatures": ("负责人（签字）", "经办人（签字）", "联系电话"),
    "verify": "扫描二维码，或在浏览器中打开下方网址核对姓名、时长、期间和状态；内容不一致的，以查验页面为准。",
    "basis": "本证明依据志愿服务记录无偿出具（民政部令第67号）。它不是全国志愿服务信息系统出具的证明。",
    "root": "记录封存于 {}，摘要（SHA-256）：",
    "no_root": "最近的记录将于当夜封存，封存摘要见查验页面。",
    "page": "第 {} 页　共 {} 页",
}
ENGLISH: Mapping[str, Any] = {
    "title": "Certificate of Volunteer Service Records",
    "number": "Number",
    "name": "Volunteer",
    "volunteer_number": "Volunteer number",
    "resident_id": "Resident ID",
    "period": "Period of service",
    "period_value": "{} to {}",
    "hours": "Hours of service",
    "count": "Records",
    "count_value": "{}",
    "issuer": "Issued by",
    "successor": "{} (its work is continued by {})",
    "issued": "Date of issue",
    "statement": "This certifies that {name} served with us as a volunteer from {period}, {hours} in all, as listed.",
    "on": "Date",
    "time": "Time",
    "content": "Service",
    "place": "Place",
    "minutes": "Duration",
    "backfilled": " (recorded later)",
    "seal": "Issuing organization (stamp)",
    "signatures": ("In charge (signed)", "Handled by (signed)", "Telephone"),
    "verify": "Scan the code, or open the address below, and compare name, hours, period and state. Where they differ, "
    "the page is right.",
    "basis": "Issued free of charge from the records of volunteer service (Order No. 67 of the Ministry of Civil "
    "Affairs). It is not a certificate of the national volunteer service system.",
    "root": "Records sealed on {}, digest (SHA-256):",
    "no_root": "The latest records are sealed tonight; the page of verification then shows the digest.",
    "page": "Page {} of {}",
}
PAGE_CHINESE: Mapping[str, str] = {
    "title": "志愿服务记录证明查验",
    "valid": "有效",
    "revoked": "已撤销",
    "unknown": "查无此证",
    "about valid": "该编号的证明真实有效。请逐项核对以下内容与您手中的证明是否一致。",
    "about reversed": "证明所依据的部分服务记录已被冲销，该证明不再有效。持有人可以重新开具。",
    "about erased": "持有人已注销账号，该证明无法继续查验。这不表示证明曾有虚假。",
    "about unknown": "没有查到这个编号。请核对后重新输入：编号为 12 位，不含数字 0、1 和字母 O、I、L。",
    "number": "证明编号",
    "name": "姓名",
    "period": "服务期间",
    "hours": "服务时长",
    "issuer": "出具单位",
    "issued": "出具日期",
    "revoked on": "撤销日期",
    "root": "封存摘要",
    "hint": "本页面只显示核对所需的内容。",
}
PAGE_ENGLISH: Mapping[str, str] = {
    "title": "Verification of a certificate of volunteer service",
    "valid": "Valid",
    "revoked": "Revoked",
    "unknown": "Not found",
    "about valid": "A certificate of this number is valid. Compare each of the following with the paper in your hand.",
    "about reversed": "Hours under this certificate were taken back; it is good no more. A new one can be made.",
    "about erased": "The holder has closed the account, so that this can't be verified any more. That does not mean "
    "that it was ever wrong.",
    "about unknown": "There is no certificate of this number. It has 12 characters, without the digits 0 and 1 and the "
    "letters O, I and L.",
    "number": "Number",
    "name": "Name",
    "period": "Period of service",
    "hours": "Hours of service",
    "issuer": "Issued by",
    "issued": "Date of issue",
    "revoked on": "Revoked on",
    "root": "Digest of the seal",
    "hint": "This page shows no more than a comparison needs.",
}


def duration(minutes: int, language: str) -> str:
    """Whole minutes as people say them: 12 小时 30 分钟."""
    hours, rest = divmod(minutes, 60)
    if language == "zh-CN":
        parts = [f"{hours} 小时" if hours else "", f"{rest} 分钟" if rest or not hours else ""]
    else:
        parts = [f"{hours} h" if hours else "", f"{rest} min" if rest or not hours else ""]
    return " ".join(part for part in parts if part)
