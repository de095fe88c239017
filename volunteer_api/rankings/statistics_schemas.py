"""What statistics take and answer."""

from marshmallow import fields

from volunteer_api.accounts.categories import Category
from volunteer_api.core.schema import Choice, Count, Moment, Nested, Schema, Text
from volunteer_api.rankings.schemas import RankedSubject, RuleRead


class AdditiveRead(Schema):
    """What adds up."""

    activity_count = Count(required=True)
    attendance_count = Count(required=True)
    credited_minutes = fields.Integer(required=True)


class TotalsRead(AdditiveRead):
    """In sum; who came on two days is one volunteer."""

    volunteer_count = Count(required=True)


class PeriodStatisticsRead(AdditiveRead):
    """One local day (`2026-11-23`) or month (`2026-11`) that has any."""

    period = Text(required=True)


class CategoryStatisticsRead(AdditiveRead):
    category = Choice(Category, required=True)


class StatisticsRead(Schema):
    """Figures of a period. `by_period` is by day where there are at most 371, else by month; it adds up to `totals`.

    Minutes of a duty have no category: `by_category` and `duty_minutes` add up to `totals`.
    `attendances_by_hour_of_week` has 168 numbers, from Monday midnight on the local clock, by the start of the shift.

    `held_attendance_count` is how many of the attendances wait for a review: they count until somebody rejects them.
    `served_count` is how many different volunteers have credited minutes in the period, of activities or of duties,
    also backfilled ones; `minutes_per_volunteer` is the credited minutes per head of these. Who attended, and was not
    credited, is in `volunteer_count` alone.
    `registered_count` is who lives in the scope's division, and in that of what was merged into it and has no figures
    of its own in the period; `registered_percent` sets it against the `resident_count`
    of the scope; `active_count` is who of the registered is among the `served_count`, `active_percent` their share.
    """

    scope = Nested(RankedSubject, required=True, allow_none=True)
    totals = Nested(TotalsRead, required=True)
    by_period = fields.List(fields.Nested(PeriodStatisticsRead), required=True)
    by_category = fields.List(fields.Nested(CategoryStatisticsRead), required=True)
    attendances_by_hour_of_week = fields.List(fields.Integer(), required=True)
    held_attendance_count = Count(required=True)
    duty_minutes = fields.Integer(required=True)
    served_count = Count(required=True)
    registered_count = Count(required=True, allow_none=True)
    active_count = Count(required=True, allow_none=True)
    resident_count = Count(required=True, allow_none=True)
    registered_percent = fields.Float(required=True, allow_none=True)
    active_percent = fields.Float(required=True, allow_none=True)
    minutes_per_volunteer = fields.Float(required=True, allow_none=True)
    rules = fields.List(fields.Nested(RuleRead), required=True)
    as_of = Moment(required=True)
