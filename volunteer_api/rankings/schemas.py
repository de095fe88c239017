"""What rankings take and answer."""

from enum import StrEnum
from typing import Any

from marshmallow import fields, validates_schema

from volunteer_api.accounts.categories import Category
from volunteer_api.core.periods import PeriodField
from volunteer_api.core.schema import Choice, Count, Day, Flag, Id, Moment, Nested, PageQuery, Schema, Text, fault
from volunteer_api.organizations.models import OrganizationKind


class Subject(StrEnum):
    """What is ranked."""

    ORGANIZATION = "organization"
    TEAM = "team"
    STATION = "station"


class Metric(StrEnum):
    """By what it is ranked."""

    ACTIVITY_COUNT = "activity_count"
    ATTENDANCE_COUNT = "attendance_count"
    VOLUNTEER_COUNT = "volunteer_count"
    CREDITED_MINUTES = "credited_minutes"


class RankingQuery(PageQuery):
    """Which ranking. Without a period, all time; without a level, the children of `scope`."""

    subject = Choice(Subject, required=True)
    metric = Choice(Metric, load_default=Metric.ACTIVITY_COUNT)
    level = Choice(OrganizationKind)
    scope = Id()
    campaign_id = Id()
    category = Choice(Category)
    period = PeriodField()
    first = Day(data_key="from")
    last = Day(data_key="to")

    @validates_schema
    def check_level(self, data: dict[str, Any], **_options: Any) -> None:
        if data["subject"] is not Subject.ORGANIZATION and "level" in data:
            raise fault("level_without_organization", "Only organizations have a level.", "level")
        if data["subject"] is Subject.ORGANIZATION and not {"level", "scope"} & data.keys():
            raise fault("required", "Name a level, or a scope whose children are ranked.", "level")

    @validates_schema
    def check_period(self, data: dict[str, Any], **_options: Any) -> None:
        if "period" in data and {"first", "last"} & data.keys():
            raise fault("two_periods", "Give either a period, or from and to.", "period")
        if "first" in data and "last" in data and data["first"] > data["last"]:
            raise fault("from_after_to", "The first day is after the last.", "to")


class RankedSubject(Schema):
    """Who has the place."""

    id = Id(required=True)
    name = Text(required=True)


class RankedRead(Schema):
    """One place. `own` is what was published for the organization itself, null for teams and stations."""

    rank = Count(required=True)
    subject = Nested(RankedSubject, required=True)
    value = fields.Integer(required=True)
    own = fields.Integer(required=True, allow_none=True)


class RankingScopeRead(Schema):
    """The subtree that is looked at: where `additive`, `own` + Σ of its children's values = `value`."""

    id = Id(required=True)
    name = Text(required=True)
    value = fields.Integer(required=True)
    own = fields.Integer(required=True)


class RuleRead(Schema):
    """How it was counted."""

    metric = Choice(Metric, required=True)
    text = Text(required=True, max_length=1000)
    attendances_for_held_shift = Count(required=True)
    first = Day(required=True, allow_none=True, data_key="from")
    last = Day(required=True, allow_none=True, data_key="to")


class RankingRead(Schema):
    """A page of a ranking, with the rule by which it was counted and the moment of counting."""

    items = fields.List(fields.Nested(RankedRead), required=True)
    scope = Nested(RankingScopeRead, required=True, allow_none=True)
    rule = Nested(RuleRead, required=True)
    additive = Flag(required=True)
    as_of = Moment(required=True)
    next_cursor = fields.String(required=True, allow_none=True)
