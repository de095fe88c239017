"""What attendances look like to the phone, and what evidence it may send."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from marshmallow import INCLUDE, ValidationError, fields, validates_schema

from volunteer_api.attendance.evidence import LONGEST_CODE, LONGEST_DELAY_MS
from volunteer_api.attendance.models import Attendance, Grade, Reason, Remark, ScanKind, State
from volunteer_api.core import texts
from volunteer_api.core.periods import ALL_TIME, PeriodField
from volunteer_api.core.schema import (
    MOMENT_TEXT,
    Choice,
    Count,
    Flag,
    Form,
    Id,
    ListOf,
    Moment,
    Nested,
    Number,
    Open,
    Place,
    Schema,
    Text,
    fault,
)

INT64 = 2**63

REASON_SENTENCES: dict[str, str] = {
    Reason.WEAK_EVIDENCE: "The evidence is not enough: no code that counts, and no place that proves anything.",
    Reason.NOT_SIGNED_UP: "There is no confirmed sign-up for this shift, or it came long after the arrival.",
    Reason.OUTSIDE_WINDOW: "It was outside the time in which one checks in or out.",
    Reason.CLOCK_ODD: "The phone's time is too far from the server's.",
    Reason.DAILY_LIMIT: "A part lies over the limit of minutes for one day.",
    Reason.OVERLAPPING: "Service at the same time has already been credited.",
    Reason.CHECKED_IN_ELSEWHERE: "There was no check-out before the check-in at another place.",
    Reason.FORGOTTEN_CHECK_OUT: "Nobody checked out; it was closed after the end.",
    Reason.CLAIMED: "The volunteer says when she left; a leader has to look at it.",
    Reason.MARKED_ABSENT: "A leader marked the volunteer absent.",
    Reason.REJECTED_BEFORE: "An attendance here at this time was rejected before.",
    Reason.CODE_ELSEWHERE: "The code is right, but the phone was far away from where it was shown.",
    Reason.IMPOSSIBLE_TRAVEL: "Nobody travels so fast between here and another attendance.",
    Reason.BELOW_MINIMUM: "It is less of the shift than has to be attended.",
    Reason.NEEDS_ORGANIZER: "The day would have more minutes than a leader may credit; an organizer decides.",
    Reason.EARLIER_CHECK_IN: "An earlier check-in is proven less well than a later one; what lies between waits.",
    Reason.LATER_CHECK_OUT: "After the first check-out there was another one; what lies between waits.",
    Reason.SAMPLED: "It was credited, and drawn by lot for somebody to look at.",
}

REMARK_SENTENCES: dict[str, str] = {
    Remark.OWN_CODE: "Who can see the code without being there proves nothing by it.",
    Remark.CODE_OF_ANOTHER: "The code is that of another shift, station or person.",
    Remark.CODE_OF_ANOTHER_TIME: "The code was shown here, but at another time.",
    Remark.CODE_WRONG: "The code was never shown here.",
    Remark.PLACE_UNUSABLE: "What the phone sent for its place is no place.",
    Remark.PLACE_WITHOUT_ACCURACY: "The phone did not say how exact its place is; it counts as exact.",
    Remark.PLACE_OUTSIDE: "The place lies outside of the fence.",
    Remark.PLACE_OF_ANOTHER_DATUM: "The place would lie inside of the fence if its figures were meant for another map.",
    Remark.TOLD_LATE: "The phone told of it later, by its own word on the time.",
    Remark.SCANNED: "Somebody at the desk read the volunteer's own code.",
    Remark.NOTHING_SENT: "The phone sent neither a code nor a place.",
    Remark.PLACE_NOT_EXPECTED: "The place is inside, but proves nothing of who did not sign up or belong here.",
    Remark.PLACE_NOT_KEPT: "Her place was judged and is not kept: she does not consent to that.",
    Remark.OWN_PLACE: "It is her own word: planned or published once begun, or told late of her own station.",
    Remark.EVIDENCE_CUT: "The phone sent more than is kept; what is judged of it is there.",
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
        STORABLE.deserialize(value)
        if _has_endless_integer(value):
            raise self.make_error("max", max=INT64 - 1)
        try:
            # The one member that is judged; the schema names what is wrong with it.
            return {**value, "client_time": CLIENT_TIME.deserialize(value.get("client_time"))}
        except ValidationError:
            return super()._deserialize(value, attr, data, partial, **kwargs)


STORABLE, CLIENT_TIME = Open(), ClientTime()


def _has_endless_integer(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_endless_integer(inner) for inner in value.values())
    if isinstance(value, list):
        return any(_has_endless_integer(inner) for inner in value)
    return isinstance(value, int) and not -INT64 <= value < INT64


class AttendanceCreate(Schema):
    """A shift, or a station for a duty."""

    shift_id = Id()
    station_id = Id()
    evidence = Evidence(required=True)

    @validates_schema
    def check_one(self, data: dict[str, Any], **_options: Any) -> None:
        if ("shift_id" in data) == ("station_id" in data):
            raise fault("one_of", "Give either shift_id or station_id.")


class CheckOutCreate(Schema):
    evidence = Evidence(required=True)


class HeldReasonRead(Schema):
    code = Choice(Reason, required=True)
    detail = Text(required=True)


class RemarkRead(Schema):
    code = Choice(Remark, required=True)
    detail = Text(required=True)


class _Told(ListOf):
    """Stored as codes, given out with a sentence in the reader's language."""

    sentences: Mapping[str, str]

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> list[dict[str, str]]:
        return told(value, self.sentences)


def told(codes: Iterable[str], sentences: Mapping[str, str]) -> list[dict[str, str]]:
    """Codes with their sentences in the reader's language."""
    return [{"code": code, "detail": texts.translate(sentences[code])} for code in codes]


class Reasons(_Told):
    sentences = REASON_SENTENCES

    def __init__(self, **options: Any) -> None:
        super().__init__(Nested(HeldReasonRead), **options)


class Remarks(_Told):
    sentences = REMARK_SENTENCES

    def __init__(self, **options: Any) -> None:
        super().__init__(Nested(RemarkRead), **options)


class AttendanceRead(Schema):
    """`grade` is the weaker of the ends that are known. `held_minutes` is what a review may still credit.

    `reasons` say why it is held; one that is credited may be flagged by one. The remarks of an end explain its grade.
    A duty has the frame inside which its minutes count. Where somebody checked in or out more than once, what lies
    before `counts_from_at` or after `counts_until_at` waits for a review, whatever becomes of the rest.
    `claimed_left_at` is what the volunteer said after she forgot to check out, `decision_reason` what the last reviewer
    wrote to her.
    """

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
    counts_from_at = Moment(required=True, allow_none=True)
    counts_until_at = Moment(required=True, allow_none=True)
    credited_minutes = Count(required=True)
    held_minutes = Count(required=True)
    reasons = Reasons(required=True)
    check_in_remarks = Remarks(required=True)
    check_out_remarks = Remarks(required=True)
    flagged = Flag(required=True)
    frame_starts_at = Moment(required=True, allow_none=True)
    frame_ends_at = Moment(required=True, allow_none=True)
    conflicts_with_id = Id(required=True, allow_none=True)
    claimed_left_at = Moment(required=True, allow_none=True)
    reviewed_at = Moment(required=True, allow_none=True)
    decision_reason = Text(required=True, allow_none=True)


# The members of an attendance in their order, with the sentences of those that are codes.
MEMBERS = {name: getattr(field, "sentences", None) for name, field in AttendanceRead().fields.items()}


def shown(attendance: Attendance) -> dict[str, Any]:
    """What `AttendanceRead` dumps, with ids and moments for the writer of answers to write.

    For a batch, of which the dump would be a tenth; a test holds the two equal (tests/attendance).
    """
    return {
        name: getattr(attendance, name) if sentences is None else told(getattr(attendance, name), sentences)
        for name, sentences in MEMBERS.items()
    }


class PersonName(Schema):
    id = Id(required=True)
    name = Text(required=True)


class OperationKind(StrEnum):
    """What one line of a batch does."""

    CHECK_IN = "check_in"
    CHECK_OUT = "check_out"


KEY = Form(r"[\x21-\x7e]{1,64}", "01939c1e-7b3a-7c4d-8f00-5a1b2c3d4e5f")


class OperationKey(Text):
    """An operation's key: as an Idempotency-Key, and of the same namespace."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=64, form=KEY, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if text != value:
            raise self.make_error("pattern", example=KEY.example)
        return text


class CheckInOperation(AttendanceCreate):
    key = OperationKey(required=True)
    kind = Choice(OperationKind, required=True)


class CheckOutOperation(CheckOutCreate):
    """By the attendance, or by the key of its check-in where the phone knows no more."""

    key = OperationKey(required=True)
    kind = Choice(OperationKind, required=True)
    attendance_id = Id()
    check_in_key = OperationKey()

    @validates_schema
    def names_its_check_in(self, data: dict[str, Any], **_options: Any) -> None:
        if ("attendance_id" in data) == ("check_in_key" in data):
            raise fault("one_of", "Give one of attendance_id and check_in_key.")


class Operation(Schema):
    """A line of a batch.

    A check_in has `shift_id` or `station_id`, a check_out has `attendance_id` or `check_in_key`.
    """

    key = OperationKey(required=True)
    kind = Choice(OperationKind, required=True)
    shift_id = Id()
    station_id = Id()
    attendance_id = Id()
    check_in_key = OperationKey()
    evidence = Evidence(required=True)


class SentOperation(_AsSent, Nested):
    """A line of a batch, or what was sent for it: a bad line gets a bad result, and costs no other."""


class BatchCreate(Schema):
    operations = ListOf(SentOperation(Operation), required=True, min_length=1, max_length=100)


class OperationProblem(Schema):
    """Why an operation was refused: the members of a problem document."""

    type = Text(required=True)
    code = Text(required=True)
    title = Text(required=True)
    status = Count(required=True)
    detail = Text(required=True)
    instance = Text(required=True)
    request_id = Text(required=True)
    errors = ListOf(Open())
    attendance = Nested(AttendanceRead)
    counts = Flag()


class OperationResult(Schema):
    """What came of an operation: its `status` is what it would have had alone.

    One of `attendance`, `problem` and, for a check-out that waits for its check-in (202), `kept_until` with a
    sentence; sent again once that has come, with the `attendance` as it is by then. What is shown is the attendance
    after this operation, which others of the batch may have changed since: the one with `checked_out_at` is newer than
    the one without, and `GET /attendances/{id}` has it as it is now.

    `key` is null where the line had none that could be read.
    """

    key = Text(required=True, allow_none=True)
    status = Count(required=True)
    attendance = Nested(AttendanceRead)
    problem = Nested(OperationProblem)
    kept_until = Moment()
    detail = Text()


class BatchRead(Schema):
    """The results in the order of the operations."""

    results = ListOf(Nested(OperationResult), required=True)


class ShiftAttendanceRead(AttendanceRead):
    """An attendance as those who lead see it."""

    volunteer = Nested(PersonName, required=True)


class ShownCode(Schema):
    code = Text(required=True)
    valid_from = Moment(required=True)
    valid_until = Moment(required=True)


class PresenceCodeRead(ShownCode):
    """The code to show now, and those to show later without network: for the rest of the shift, or of the day."""

    qr = Text(required=True)
    codes = ListOf(Nested(ShownCode), required=True, max_length=1441)


class ScanCreate(Schema):
    """One volunteer's own code as a desk read it: `evidence.code` is its whole text."""

    key = Text(required=True, max_length=64, form=KEY)
    kind = Choice(ScanKind, required=True)
    evidence = Evidence(required=True)


class ScansCreate(Schema):
    scans = ListOf(Nested(ScanCreate), required=True, min_length=1, max_length=100)


class ScanRead(Schema):
    """`status` is what the scan alone would have had; a scan that is repeated has the outcome that it had before."""

    key = Text(required=True)
    status = Count(required=True)
    volunteer = Nested(PersonName, required=True, allow_none=True)
    attendance = Nested(AttendanceRead, required=True, allow_none=True)
    problem = fields.Dict(required=True, allow_none=True)


class ScansRead(Schema):
    results = ListOf(Nested(ScanRead), required=True)


class TallyQuery(Schema):
    period = PeriodField(load_default=ALL_TIME, metadata={"description": "Like 2026-11-23, 2026-W47, 2026-Q4 or all."})


class PeriodMinutesRead(Schema):
    period = Text(required=True)
    credited_minutes = Count(minimum=-(2**31), required=True)
    held_minutes = Count(required=True)


class TallyRead(Schema):
    """`credited_minutes` is the sum of the ledger, and that of `by_period`.

    The parts are days where the period has at most 31 of them, else months. `star_level` is the one held now, whatever
    the period; 0 where there is none.
    """

    credited_minutes = Count(minimum=-(2**31), required=True)
    held_minutes = Count(required=True)
    activity_count = Count(
        required=True,
        metadata={
            "description": "Activities of which minutes are left in the ledger, each counted once. A ranking counts "
            "otherwise (see its `rule`): each day of an activity on which she attended, also where the minutes wait."
        },
    )
    by_period = ListOf(Nested(PeriodMinutesRead), required=True, max_length=2000)
    star_level = Count(maximum=5, required=True)
