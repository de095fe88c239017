"""What attendances look like to the phone, and what evidence it may send."""

from datetime import UTC, datetime
from typing import Any

from marshmallow import INCLUDE, fields

from volunteer_api.attendance.evidence import LONGEST_CODE, LONGEST_DELAY_MS
from volunteer_api.attendance.models import Grade, Reason, State
from volunteer_api.core import texts
from volunteer_api.core.periods import ALL_TIME, PeriodField
from volunteer_api.core.schema import (
    MOMENT_TEXT,
    Choice,
    Count,
    Id,
    ListOf,
    Moment,
    Nested,
    Number,
    Open,
    Place,
    Schema,
    Text,
)

INT64 = 2**63

REASON_SENTENCES = {
    Reason.WEAK_EVIDENCE: "Nothing proves the presence: no valid code, and no place near the activity.",
    Reason.NOT_SIGNED_UP: "There is no confirmed sign-up for this shift.",
    Reason.OUTSIDE_WINDOW: "It was outside the time in which one checks in or out.",
    Reason.CLOCK_ODD: "The phone's time is too far from the server's.",
    Reason.DAILY_LIMIT: "A part lies over the limit of minutes for one day.",
    Reason.OVERLAPPING: "Service at the same time has already been credited.",
    Reason.CHECKED_IN_ELSEWHERE: "There was no check-out before the check-in at another place.",
}


class _AsSent(fields.Field[Any]):
    """Documented as its kind of field, taken as it comes: `evidence.usable` judges it, and nobody is refused for it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, partial: Any = None, **kwargs: Any) -> Any:
        return value

    def _validate(self, value: Any) -> None:
        """Nothing that a phone says here is refused."""


class SentCount(_AsSent, Count):
    """A whole number, or what was sent for it."""


class SentNumber(_AsSent, Number):
    """A number, or what was sent for it."""


class SentText(_AsSent, Text):
    """A text, or what was sent for it."""


class SentPlace(_AsSent, Place):
    """A place, or what was sent for it."""


class ClientTime(Moment):
    """A readable moment with its zone, of any year: a clock that is far off is held for review, not refused."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        if not isinstance(value, str) or not MOMENT_TEXT.fullmatch(value):
            raise self.make_error("not_moment")
        try:
            moment = datetime.fromisoformat(value.upper())
        except (ValueError, OverflowError) as error:
            raise self.make_error("not_moment") from error
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            # On the calendar's first and last day UTC may lie beyond it.
            return moment


class EvidenceMembers(Schema):
    """What a phone says of one tap; members that are unknown here are kept."""

    class Meta:
        unknown = INCLUDE

    client_time = ClientTime(required=True, metadata={"description": "The phone's clock at the tap."})
    delay_ms = SentCount(
        maximum=LONGEST_DELAY_MS,
        allow_none=True,
        metadata={"description": "Milliseconds from the tap to the sending, by the phone's monotonic clock."},
    )
    code = SentText(
        max_length=LONGEST_CODE,
        allow_none=True,
        metadata={"description": "The presence code, bare or as the whole text of the QR code."},
    )
    place = SentPlace(allow_none=True)
    accuracy_m = SentNumber(minimum=0, allow_none=True, metadata={"description": "The phone's own doubt of its place."})


class Evidence(Nested):
    """The evidence of one end: its time must be readable, the rest only storable."""

    def __init__(self, **options: Any) -> None:
        super().__init__(EvidenceMembers, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, partial: Any = None, **kwargs: Any) -> Any:
        Open().deserialize(value)
        if _has_endless_integer(value):
            raise self.make_error("max", max=INT64 - 1)
        return super()._deserialize(value, attr, data, partial, **kwargs)


def _has_endless_integer(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_endless_integer(inner) for inner in value.values())
    if isinstance(value, list):
        return any(_has_endless_integer(inner) for inner in value)
    return isinstance(value, int) and not -INT64 <= value < INT64


class AttendanceCreate(Schema):
    shift_id = Id(required=True)
    evidence = Evidence(required=True)


class CheckOutCreate(Schema):
    evidence = Evidence(required=True)


class HeldReasonRead(Schema):
    code = Choice(Reason, required=True)
    detail = Text(required=True)


class Reasons(ListOf):
    """Stored as codes, given out with a sentence in the reader's language."""

    def __init__(self, **options: Any) -> None:
        super().__init__(Nested(HeldReasonRead), **options)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> list[Any] | None:
        told = [{"code": code, "detail": texts.translate(REASON_SENTENCES[Reason(code)])} for code in value]
        return super()._serialize(told, attr, obj, **kwargs)


class AttendanceRead(Schema):
    """`grade` is the weaker of the ends that are known. `held_minutes` is what a review may still credit."""

    id = Id(required=True)
    volunteer_id = Id(required=True)
    shift_id = Id(required=True, allow_none=True)
    station_id = Id(required=True, allow_none=True)
    state = Choice(State, required=True)
    grade = Choice(Grade, required=True)
    check_in_grade = Choice(Grade, required=True)
    check_out_grade = Choice(Grade, required=True, allow_none=True)
    checked_in_at = Moment(required=True)
    checked_out_at = Moment(required=True, allow_none=True)
    credited_minutes = Count(required=True)
    held_minutes = Count(required=True)
    reasons = Reasons(required=True)


class PersonName(Schema):
    id = Id(required=True)
    name = Text(required=True)


class ShiftAttendanceRead(AttendanceRead):
    """An attendance as those who lead see it."""

    volunteer = Nested(PersonName, required=True)


class ShownCode(Schema):
    code = Text(required=True)
    valid_from = Moment(required=True)
    valid_until = Moment(required=True)


class PresenceCodeRead(ShownCode):
    """The code to show now, and those to show until the shift ends, for a leader without network."""

    qr = Text(required=True)
    codes = ListOf(Nested(ShownCode), required=True, max_length=1441)


class TallyQuery(Schema):
    period = PeriodField(load_default=ALL_TIME, metadata={"description": "Like 2026-11-23, 2026-W47, 2026-Q4 or all."})


class PeriodMinutesRead(Schema):
    period = Text(required=True)
    credited_minutes = Count(minimum=-(2**31), required=True)


class TallyRead(Schema):
    """`credited_minutes` is the sum of the ledger, and that of `by_period`.

    The parts are days where the period has at most 31 of them, else months. `star_level` is the one held now, whatever
    the period; 0 where there is none.
    """

    credited_minutes = Count(minimum=-(2**31), required=True)
    held_minutes = Count(required=True)
    activity_count = Count(required=True)
    by_period = ListOf(Nested(PeriodMinutesRead), required=True, max_length=2000)
    star_level = Count(maximum=5, required=True)
