"""Times in sentences: on the local clock, as people say them in the reader's language."""

from datetime import datetime

from babel.dates import format_datetime

from volunteer_api.core import clock, texts
from volunteer_api.core.settings import settings

# Babel's locale, and its patterns of a day and of an hour, by language.
PATTERNS = {"zh-CN": ("zh_CN", "M月d日（EEE）", "H:mm"), "en": ("en", "EEE, d MMM, ", "H:mm")}


def told_span(starts_at: datetime, ends_at: datetime | None = None) -> str:
    """`12月1日（周二）7:30–9:00`; the end with its day where that is another one, left out where it is not known."""
    locale, day, hour = PATTERNS[texts.language()]
    parts = [(starts_at, day + hour)]
    if ends_at is not None:
        same_day = clock.local_date(starts_at) == clock.local_date(ends_at)
        parts.append((ends_at, hour if same_day else day + hour))
    zone = settings().zone
    return "–".join(format_datetime(moment, pattern, tzinfo=zone, locale=locale) for moment, pattern in parts)
