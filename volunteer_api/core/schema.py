"""Strict fields and schemas: marshmallow's own accept full-width digits, `1_0`, "on" for true and week dates."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cache, cached_property
from typing import Any
from uuid import UUID

import marshmallow
import phonenumbers
from marshmallow import RAISE, fields, post_load, validate, validates_schema

from volunteer_api.core import clock, geo, texts
from volunteer_api.core.paging import MAX_LIMIT

UUID_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
DAY_TEXT = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
MOMENT_TEXT = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})", re.ASCII | re.IGNORECASE
)
WHOLE_TEXT = re.compile(r"-?\d{1,18}", re.ASCII)
DECIMAL_TEXT = re.compile(r"-?\d{1,9}(\.\d{1,18})?", re.ASCII)
# Control characters other than tab and line ends (PostgreSQL refuses NUL), lone surrogates, and what turns a text
# around or can't be seen at all. The joiner U+200D stays: emoji are made with it.
UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff]"
)
UNSEEN = re.compile("[\\s\u00ad\u034f\u115f\u1160\u200c\u200d\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e01ef]*")
INT32 = 2**31 - 1
# U+FF01 to U+FF5E stand for U+0021 to U+007E; U+3000 and U+00A0 are spaces.
HALF_WIDTH = {0xFF01 + offset: 0x21 + offset for offset in range(0x5E)} | {0x3000: 0x20, 0xA0: 0x20}

MESSAGES = {
    "required": "This is required.",
    "null": "This can't be null.",
    "unknown": "Nothing of this name is known here.",
    "type": "This has the wrong type.",
    "unprintable": "This has characters that can't be stored.",
    "min_length": "This is shorter than %(min)s characters or items.",
    "max_length": "This is longer than %(max)s characters or items.",
    "pattern": "This is not written like %(example)s.",
    "min": "This is less than %(min)s.",
    "max": "This is more than %(max)s.",
    "not_whole": "This is not a whole number.",
    "not_number": "This is not a number.",
    "not_boolean": "This is not true or false.",
    "not_text": "This is not a text.",
    "not_id": "This is not an id.",
    "not_moment": "This is not a time with its zone, like 2026-11-23T08:00:00Z.",
    "not_moment_or_day": "This is not a time with its zone, like 2026-11-23T08:00:00Z, nor a day, like 2026-11-23.",
    "not_day": "This is not a day, like 2026-11-23.",
    "not_choice": "This is none of: %(choices)s.",
    "not_phone": "This is not a mobile phone number of the mainland.",
    "not_public_phone": "This is not a phone number of the mainland, like 0375-2861234.",
    "not_place": "This is not a place, like 33.73,113.33.",
    "not_object": "This is not an object.",
    "not_list": "This is not a list.",
    "repeated": "This is given more than once.",
}
# Of what may not be shorter than 1.
EMPTY = "This must not be empty."


class Fault(str):
    """One fault of a payload: a stable code, and its sentence once somebody reads it in their language."""

    code: str
    source: str
    values: Mapping[str, object]

    def __new__(cls, code: str, source: str | None = None, **values: object) -> "Fault":
        source = MESSAGES[code] if source is None else source
        made = super().__new__(cls, source)
        made.code, made.source, made.values = code, source, values
        return made

    def __deepcopy__(self, _memo: dict[int, Any]) -> "Fault":
        # flask-smorest copies a route's schemas; a fault never changes.
        return self

    def sentence(self) -> str:
        """The fault in the request's language."""
        return texts.translate(self.source, **self.values)


def fault(code: str, source: str, field_name: str = "_schema") -> marshmallow.ValidationError:
    """A fault that a schema finds between its fields; `source` is the English sentence."""
    return marshmallow.ValidationError(Fault(code, source), field_name)


def error_list(messages: Any, pointer: str = "") -> list[dict[str, str]]:
    """marshmallow's nested messages as `[{pointer, code, detail}]`, with RFC 6901 pointers."""
    if isinstance(messages, Mapping):
        return [
            error
            for name, inner in messages.items()
            for error in error_list(inner, pointer if name == "_schema" else f"{pointer}/{_escape(name)}")
        ]
    return [
        {"pointer": pointer, "code": message.code, "detail": message.sentence()}
        if isinstance(message, Fault)
        else {"pointer": pointer, "code": "invalid", "detail": str(message)}
        for message in (messages if isinstance(messages, list) else [messages])
    ]


def _escape(name: object) -> str:
    # A member's name is the client's own text; a surrogate in it could not be sent back.
    text = str(name).encode("utf-8", "replace").decode()
    return text.replace("~", "~0").replace("/", "~1")[:200]


class Schema(marshmallow.Schema):
    """A payload: unknown members are refused."""

    error_messages = {  # noqa: RUF012  # marshmallow declares it on the instance
        "unknown": Fault("unknown"),
        "type": Fault("not_object"),
    }

    class Meta:
        unknown = RAISE


class _Strict(fields.Field[Any]):
    """Gives every refusal its code. A value of the wrong kind is named, never bent."""

    def make_error(self, key: str, **values: Any) -> marshmallow.ValidationError:
        code = {"validator_failed": "type", "invalid": "type"}.get(key, key)
        if code == "min_length" and values["min"] == 1:
            return marshmallow.ValidationError(Fault(code, EMPTY))
        return marshmallow.ValidationError(Fault(code if code in MESSAGES else "type", **values))


@dataclass(frozen=True)
class Form:
    """How a text must be written: a regular expression, and an example for whoever wrote it in another way.

    Digits, letters and signs of a Chinese keyboard are taken for the plain ones. Small letters, too, where all letters
    of the form are `capital`.
    """

    pattern: str
    example: str
    capital: bool = False

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The expression; its classes are of ASCII."""
        return re.compile(self.pattern, re.ASCII)

    def folded(self, text: str) -> str:
        """The text as it was meant."""
        plain = half_width(text)
        return plain.upper() if self.capital else plain


class Text(_Strict, fields.String):
    """A text without control characters, `min_length` to `max_length` characters after trimming."""

    def __init__(self, *, max_length: int = 200, min_length: int = 1, form: Form | None = None, **options: Any) -> None:
        rules: list[Any] = [validate.Length(min=min_length, max=max_length)]
        if form is not None:
            rules.append(validate.Regexp(form.pattern))
        # The validators are for openapi.json; _deserialize judges, because it gives the codes.
        super().__init__(validate=rules, **options)
        self.max_length, self.min_length = max_length, min_length
        self.form = form

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("not_text")
        if UNPRINTABLE.search(value):
            raise self.make_error("unprintable")
        text = "" if UNSEEN.fullmatch(value) else value.strip()
        if len(text) < self.min_length:
            raise self.make_error("min_length", min=self.min_length)
        if len(text) > self.max_length:
            raise self.make_error("max_length", max=self.max_length)
        if self.form is None:
            return text
        text = self.form.folded(text)
        if not self.form.compiled.fullmatch(text):
            raise self.make_error("pattern", example=self.form.example)
        return text


class _Bounded(_Strict):
    minimum: float | None
    maximum: float | None

    def check(self, value: Any) -> Any:
        if self.minimum is not None and value < self.minimum:
            raise self.make_error("min", min=self.minimum)
        if self.maximum is not None and value > self.maximum:
            raise self.make_error("max", max=self.maximum)
        return value


class Count(_Bounded, fields.Integer):
    """A JSON whole number; neither "3" nor 3.5 nor true is one."""

    def __init__(self, *, minimum: int = 0, maximum: int = INT32, **options: Any) -> None:
        super().__init__(validate=validate.Range(minimum, maximum), **options)
        self.minimum, self.maximum = minimum, maximum

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("not_whole")
        return int(self.check(value))


class CountParameter(Count):
    """A whole number in a query string."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, str) or not WHOLE_TEXT.fullmatch(value):
            raise self.make_error("not_whole")
        return int(self.check(int(value)))


class Number(_Bounded, fields.Float):
    """A finite JSON number."""

    def __init__(self, *, minimum: float | None = None, maximum: float | None = None, **options: Any) -> None:
        super().__init__(validate=validate.Range(minimum, maximum), **options)
        self.minimum, self.maximum = minimum, maximum

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("not_number")
        # An integer of a hundred digits is no float; compare before converting.
        self.check(value)
        if abs(value) > 1e308 or not math.isfinite(value):
            raise self.make_error("not_number")
        return float(value)


class Flag(_Strict, fields.Boolean):
    """true or false, nothing that looks like it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("not_boolean")
        return value


class FlagParameter(_Strict, fields.Boolean):
    """`true` or `false` in a query string."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if value not in ("true", "false"):
            raise self.make_error("not_boolean")
        return bool(value == "true")


class Id(_Strict, fields.UUID):
    """A UUID in its canonical form."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> UUID:
        if not isinstance(value, str) or not UUID_TEXT.fullmatch(value):
            raise self.make_error("not_id")
        return UUID(value)


class Moment(_Strict, fields.DateTime):
    """RFC 3339 with a zone; given out in UTC with `Z`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        if not isinstance(value, str) or not MOMENT_TEXT.fullmatch(value):
            raise self.make_error("not_moment")
        try:
            moment = datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise self.make_error("not_moment") from error
        # A year at the calendar's edge overflows in the arithmetic of windows and zones.
        if not 1900 <= moment.year <= 9000:
            raise self.make_error("not_moment")
        return moment

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        if value is None:
            return None
        return clock.stamp(value)


class Day(_Strict, fields.Date):
    """A calendar day, YYYY-MM-DD."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        if not isinstance(value, str) or not DAY_TEXT.fullmatch(value):
            raise self.make_error("not_day")
        try:
            day = date.fromisoformat(value)
        except ValueError as error:
            raise self.make_error("not_day") from error
        if not 1900 <= day.year <= 9000:
            raise self.make_error("not_day")
        return day


class MomentOrDay(_Strict, fields.String):
    """A moment, or a local day, which is loaded as the moment of its start; with `to_the_end`, as that of its end."""

    def __init__(self, *, to_the_end: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.to_the_end = to_the_end

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        for kind in (Moment, Day):
            try:
                found = kind().deserialize(value)
            except marshmallow.ValidationError:
                continue
            if isinstance(found, datetime):
                return found
            return clock.days_between(found, found)[self.to_the_end]
        raise self.make_error("not_moment_or_day")


class Choice(_Strict, fields.String):
    """One value of a StrEnum."""

    def __init__(self, choices: type[StrEnum], **options: Any) -> None:
        self.choices = choices
        self.known = {choice.value: choice for choice in choices}
        super().__init__(validate=validate.OneOf([*self.known]), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> StrEnum:
        if not isinstance(value, str) or value not in self.known:
            raise self.make_error("not_choice", choices=", ".join(self.choices))
        return self.known[value]

    def _validate(self, value: Any) -> None:
        """Already judged by _deserialize."""


class Nested(_Strict, fields.Nested):
    """Another schema's object."""


class ListOf(_Strict, fields.List[Any]):
    """A list of at most `max_length` items; its length is judged before its items are looked at."""

    def __init__(self, item: Any, *, max_length: int = 100, min_length: int = 0, **options: Any) -> None:
        super().__init__(item, validate=validate.Length(min=min_length, max=max_length), **options)
        self.max_length, self.min_length = max_length, min_length

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self.make_error("not_list")
        if len(value) > self.max_length:
            raise self.make_error("max_length", max=self.max_length)
        if len(value) < self.min_length:
            raise self.make_error("min_length", min=self.min_length)
        return super()._deserialize(value, attr, data, **kwargs)


def half_width(text: str) -> str:
    """The text with the full-width forms of ASCII, as Chinese keyboards type them, made plain."""
    return text.translate(HALF_WIDTH)


class Phone(Text):
    """A mainland mobile number, in any usual writing; loaded as E.164 (`+8613800000005`).

    Spaces, hyphens and full-width digits are made plain; digits of other scripts are refused.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=20, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = half_width(super()._deserialize(value, attr, data, **kwargs))
        if not re.fullmatch(r"[+0-9 \-]+", text, re.ASCII):
            raise self.make_error("not_phone")
        try:
            number = phonenumbers.parse(text, "CN")
        except phonenumbers.NumberParseException as error:
            raise self.make_error("not_phone") from error
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        # The library's tables lag behind the carriers' new ranges: eleven digits that begin 13 to 19 are mobile.
        if not re.fullmatch(r"\+861[3-9]\d{9}", e164, re.ASCII):
            raise self.make_error("not_phone")
        return str(e164)


class PublicPhone(Phone):
    """A desk's phone for everybody to call: a mainland mobile, landline or 400 number; loaded as E.164."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = half_width(Text._deserialize(self, value, attr, data, **kwargs))
        if not re.fullmatch(r"[+0-9 \-()]+", text, re.ASCII):
            raise self.make_error("not_public_phone")
        try:
            number = phonenumbers.parse(text, "CN")
        except phonenumbers.NumberParseException as error:
            raise self.make_error("not_public_phone") from error
        if number.country_code != 86 or not phonenumbers.is_possible_number(number):
            raise self.make_error("not_public_phone")
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


class PlaceSchema(Schema):
    """A place in WGS-84 degrees. Coordinates of another `datum` are converted as they come in, and never answered."""

    lat = Number(minimum=-90, maximum=90, required=True)
    lng = Number(minimum=-180, maximum=180, required=True)
    datum = Choice(
        geo.Datum, load_only=True, metadata={"description": "What `lat` and `lng` are, wgs84 where it is left out."}
    )

    @post_load
    def as_wgs84(self, data: dict[str, Any], **_options: Any) -> dict[str, float]:
        latitude, longitude = geo.to_wgs84((data["lat"], data["lng"]), data.get("datum", geo.Datum.WGS84))
        # A tenth of a millimeter. Of 1e-200 degrees PostgreSQL can't tell the square of a distance.
        return {"lat": round(latitude, 9), "lng": round(longitude, 9)}


class Place(Nested):
    """`{"lat": 33.73, "lng": 113.33}` in WGS-84, or with a `datum` of another kind."""

    def __init__(self, **options: Any) -> None:
        super().__init__(PlaceSchema, **options)


LATITUDE_AND_LONGITUDE = Form(r"-?\d{1,2}(\.\d{1,15})?,-?\d{1,3}(\.\d{1,15})?", "33.73,113.33")


class Near(Text):
    """`lat,lng` in a query string, loaded as a pair of degrees. A schema takes it by NearQuery, for its datum."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=60, form=LATITUDE_AND_LONGITUDE, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        latitude, longitude = map(float, super()._deserialize(value, attr, data, **kwargs).split(","))
        if abs(latitude) > 90 or abs(longitude) > 180:
            raise self.make_error("not_place")
        return latitude, longitude

    def _validate(self, value: Any) -> None:
        """Already judged by _deserialize: the validators know the text, not the pair."""


class NearQuery(Schema):
    """The parameters of a search around a place; `near` is loaded as a pair of WGS-84 degrees, whatever its `datum`."""

    near = Near(metadata={"description": "`lat,lng`: the nearest first."})
    datum = Choice(geo.Datum, metadata={"description": "What `near` is, wgs84 where it is left out."})

    @validates_schema
    def datum_has_place(self, data: dict[str, Any], **_options: Any) -> None:
        if "datum" in data and "near" not in data:
            raise fault("datum_without_near", "datum needs near.", "datum")

    @post_load
    def as_wgs84(self, data: dict[str, Any], **_options: Any) -> dict[str, Any]:
        datum = data.pop("datum", geo.Datum.WGS84)
        return data | {"near": geo.to_wgs84(data["near"], datum)} if "near" in data else data


class Open(_Strict, fields.Dict):
    """A JSON object whose unknown members are kept as they came."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.make_error("not_object")
        if _has_unprintable(value):
            raise self.make_error("unprintable")
        return value


def _has_unprintable(value: Any) -> bool:
    if isinstance(value, str):
        return UNPRINTABLE.search(value) is not None
    if isinstance(value, dict):
        return any(_has_unprintable(key) or _has_unprintable(inner) for key, inner in value.items())
    return isinstance(value, list) and any(_has_unprintable(inner) for inner in value)


class PageQuery(Schema):
    """Every list's parameters: `limit` 1–100 (20 where absent) and the `cursor` of the page before."""

    limit = CountParameter(minimum=1, maximum=MAX_LIMIT, metadata={"description": "How many at most; 20 without it."})
    cursor = Text(max_length=2000, metadata={"description": "`next_cursor` of the page before, with the same filters."})


@cache
def page_of(read: type[Schema]) -> type[Schema]:
    """The schema of a page of `read`: `{items, next_cursor}`."""
    page: type[Schema] = Schema.from_dict(  # type: ignore[assignment]  # from_dict is typed as marshmallow's Schema
        {"items": fields.List(fields.Nested(read), required=True), "next_cursor": fields.String(allow_none=True)},
        name=f"{read.__name__.removesuffix('Read')}Page",
    )
    return page
