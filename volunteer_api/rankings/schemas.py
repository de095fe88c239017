"""What rankings take and answer."""

from datetime import date
from enum import StrEnum
from typing import Any

from marshmallow import fields, pre_load, validates_schema

from volunteer_api.accounts.categories import Category
from volunteer_api.activities.schemas import Goals
from volunteer_api.core.periods import FIRST_YEAR, MonthField, RunningPeriodField
from volunteer_api.core.schema import (
    Choice,
    Count,
    CountParameter,
    Day,
    Flag,
    Id,
    Moment,
    Nested,
    Number,
    PageQuery,
    Schema,
    Text,
    fault,
)
from volunteer_api.organizations.models import OrganizationKind
from volunteer_api.rankings.charts import MOST_BARS


class Subject(StrEnum):
    """What is ranked."""

    ORGANIZATION = "organization"
    TEAM = "team"
    STATION = "station"
    # Only who consents to be named, and is of age by the date of birth that she gave.
    VOLUNTEER = "volunteer"


class Metric(StrEnum):
    """By what it is ranked."""

    ACTIVITY_COUNT = "activity_count"
    ATTENDANCE_COUNT = "attendance_count"
    VOLUNTEER_COUNT = "volunteer_count"
    CREDITED_MINUTES = "credited_minutes"


# A person who serves two offices is one volunteer of the district; all the others add up.
ADDITIVE = (Metric.ACTIVITY_COUNT, Metric.ATTENDANCE_COUNT, Metric.CREDITED_MINUTES)


def has_ends(data: dict[str, Any]) -> bool:
    """Whether a query's period has a first and a last day."""
    if "period" in data:
        return data["period"].first is not None
    return {"first", "last"} <= data.keys()


def has_days_before(first: date, last: date) -> bool:
    """Whether there are as many days before `first` as there are from it to `last`, of years that have a period."""
    return (first - date(FIRST_YEAR, 1, 1)).days > (last - first).days


class Basis(StrEnum):
    """What the metric is set against.

    `per_volunteer`: a registered volunteer whose home division lies in the organization's; a member, for a team.
    `growth`: the same number of days, or the named period, before.
    """

    RAW = "raw"
    PER_VOLUNTEER = "per_volunteer"
    GROWTH = "growth"


class NotListed(StrEnum):
    """Why the list of volunteers does not name me; there may be others.

    `nothing_counted` is said of lists that name only who has any: those of a scope, a campaign or a category.
    """

    CONSENT_MISSING = "consent_missing"
    BIRTH_DATE_MISSING = "birth_date_missing"
    NOT_OF_AGE = "not_of_age"
    ERASURE_ASKED = "erasure_asked"
    NOTHING_COUNTED = "nothing_counted"


class FactsFilter(Schema):
    """Of what is counted: of a subtree, a campaign, a category, in a period; without any, of all that ever was.

    `period` may be the present `day`, `week`, `month`, `quarter` or `year`; the answer names its days.
    """

    scope = Id()
    campaign_id = Id()
    category = Choice(Category)
    period = RunningPeriodField()
    first = Day(data_key="from")
    last = Day(data_key="to")

    @validates_schema
    def check_period(self, data: dict[str, Any], **_options: Any) -> None:
        if "period" in data and {"first", "last"} & data.keys():
            raise fault("two_periods", "Give either a period, or from and to.", "period")
        if "first" in data and "last" in data and data["first"] > data["last"]:
            raise fault("from_after_to", "The first day is after the last.", "to")


class RankingFilter(FactsFilter):
    """Which ranking. Without a period, all time; without a level, the children of `scope`."""

    subject = Choice(Subject, required=True)
    metric = Choice(Metric, load_default=Metric.ACTIVITY_COUNT)
    basis = Choice(Basis, load_default=Basis.RAW)
    level = Choice(OrganizationKind)

    @validates_schema
    def check_level(self, data: dict[str, Any], **_options: Any) -> None:
        if data["subject"] is not Subject.ORGANIZATION and "level" in data:
            raise fault("level_without_organization", "Only organizations have a level.", "level")
        if data["subject"] is Subject.ORGANIZATION and not {"level", "scope"} & data.keys():
            raise fault("required", "Name a level, or a scope whose children are ranked.", "level")

    @validates_schema
    def check_combination(self, data: dict[str, Any], **_options: Any) -> None:
        if data["subject"] is Subject.VOLUNTEER and data["metric"] is Metric.VOLUNTEER_COUNT:
            raise fault("metric_without_subject", "One volunteer is one volunteer; choose another metric.", "metric")
        if data["basis"] is Basis.PER_VOLUNTEER and data["subject"] in (Subject.STATION, Subject.VOLUNTEER):
            raise fault("basis_without_subject", "Only organizations and teams have volunteers of their own.", "basis")
        if data["basis"] is Basis.GROWTH and not has_ends(data):
            raise fault("growth_without_period", "Growth needs a period that begins and ends.", "basis")
        named = {"first", "last"} <= data.keys()
        if data["basis"] is Basis.GROWTH and named and not has_days_before(data["first"], data["last"]):
            raise fault("no_days_before", "The calendar has not as many days before this period.", "from")


class RankingQuery(PageQuery, RankingFilter):
    """Which page of which ranking; or one subject's place with two neighbors on each side, on one page."""

    around = Id()


class MyRankingQuery(FactsFilter):
    """By what I am ranked among all volunteers. Without a period, all time."""

    metric = Choice(Metric, load_default=Metric.CREDITED_MINUTES)

    @validates_schema
    def check_metric(self, data: dict[str, Any], **_options: Any) -> None:
        if data["metric"] is Metric.VOLUNTEER_COUNT:
            raise fault("metric_without_subject", "One volunteer is one volunteer; choose another metric.", "metric")


class PictureQuery(RankingFilter):
    """Which ranking is drawn, and how many of its first places."""

    top = CountParameter(minimum=1, maximum=MOST_BARS, load_default=20)


class BoardQuery(PictureQuery):
    """Which ranking is shown; where no period is asked for, of the present month, whichever that is by then.

    Not of volunteers, whose names only those see who are signed in: a screen is not.
    """

    @validates_schema
    def check_subject(self, data: dict[str, Any], **_options: Any) -> None:
        if data["subject"] is Subject.VOLUNTEER:
            raise fault(
                "subject_not_shown", "Volunteers are named to those who are signed in; no screen is.", "subject"
            )

    @pre_load
    def tidy(self, data: Any, **_options: Any) -> Any:
        """Leave out a `from` with which WeChat says how the address came, and ask for a period that goes on."""
        asked = dict(data)
        if not asked.get("from", "0")[:1].isdigit():
            del asked["from"]
        if not {"period", "from", "to"} & asked.keys():
            asked["period"] = "month"
        return asked


class Step(StrEnum):
    """How far a race goes from one frame to the next."""

    WEEK = "week"
    MONTH = "month"


class RaceQuery(RankingFilter):
    """Which ranking races through a period of at most 60 weeks or months, and how many places are seen.

    Only what adds up from frame to frame races, and only organizations, teams and stations.
    """

    top = CountParameter(minimum=1, maximum=20, load_default=12)
    step = Choice(Step, load_default=Step.MONTH)

    @validates_schema
    def check_race(self, data: dict[str, Any], **_options: Any) -> None:
        if data["basis"] is Basis.GROWTH:
            raise fault("basis_without_race", "Growth is of a whole period; nothing races there.", "basis")
        if data["metric"] is Metric.VOLUNTEER_COUNT:
            raise fault("metric_without_race", "Volunteers do not add up over time; choose another metric.", "metric")
        if data["subject"] is Subject.VOLUNTEER:
            raise fault("subject_without_race", "Only organizations, teams and stations race.", "subject")


class WeeksQuery(FactsFilter):
    """What is counted on each day: for one organization with all below it, a campaign, a category, or for all.

    Without a period, the 53 weeks to today; at most 371 days.
    """

    metric = Choice(Metric, load_default=Metric.ACTIVITY_COUNT)


class ReportQuery(Schema):
    """The month of a report; without one, the month before the present one."""

    month = MonthField()


class Figure(fields.Float):
    """A number that is written whole where it is."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return value if isinstance(value, int) else super()._serialize(value, attr, obj, **kwargs)


class RankedSubject(Schema):
    """Who has the place."""

    id = Id(required=True)
    name = Text(required=True)


class RankedPlace(RankedSubject):
    """Who has the place; of an organization that is closed since, when, and into which it was merged, if into any."""

    closed_on = Day(required=True, allow_none=True)
    merged_into = Nested(RankedSubject, required=True, allow_none=True)


class RankedRead(Schema):
    """One place. `own` is what was published for the organization itself, null for all others.

    On another basis than raw, `raw` is the metric itself: `value` = raw / `registered`, cut to four decimals (0 where
    nobody is registered), or raw − `before`.
    """

    rank = Count(required=True)
    subject = Nested(RankedPlace, required=True)
    value = Figure(required=True)
    own = fields.Integer(required=True, allow_none=True)
    raw = fields.Integer(required=True)
    registered = fields.Integer(required=True, allow_none=True)
    before = fields.Integer(required=True, allow_none=True)


class RankingScopeRead(Schema):
    """The subtree that is looked at, with its figures as those of a place, on the same basis.

    Where `additive`, Σ of the values of all places + `elsewhere` = `value`; else `elsewhere` is null. Of its children
    it is `own`; at a level what organizations above it held themselves; what was for no team, or at no station.
    Of teams per member `value` is null: only they have members.
    """

    id = Id(required=True)
    name = Text(required=True)
    value = Figure(required=True, allow_none=True)
    own = fields.Integer(required=True, allow_none=True)
    elsewhere = fields.Integer(required=True, allow_none=True)
    raw = fields.Integer(required=True)
    registered = fields.Integer(required=True, allow_none=True)
    before = fields.Integer(required=True, allow_none=True)


class RuleRead(Schema):
    """How it was counted. `before_from` and `before_to` are the days that growth is set against."""

    metric = Choice(Metric, required=True)
    basis = Choice(Basis, required=True)
    text = Text(required=True, max_length=1000)
    attendances_for_held_shift = Count(required=True)
    first = Day(required=True, allow_none=True, data_key="from")
    last = Day(required=True, allow_none=True, data_key="to")
    before_first = Day(required=True, allow_none=True, data_key="before_from")
    before_last = Day(required=True, allow_none=True, data_key="before_to")


class MyRankingRead(Schema):
    """My place among the `ranked` volunteers who have any, for nobody but me; null where I have none: then `above`
    has the last of those who have some.

    `rule` says what is counted, which may be more than in my tally: there an activity with minutes counts once.
    `above` and `below` are the values of the next two volunteers on each side, in order, whoever they are; both are
    empty where fewer than five are ranked. `listed` is whether the list of volunteers names me, to whoever reads it;
    `not_listed_because` why not, null where it does.
    """

    rank = Count(required=True, allow_none=True)
    value = fields.Integer(required=True)
    ranked = Count(required=True)
    above = fields.List(fields.Integer(), required=True)
    below = fields.List(fields.Integer(), required=True)
    listed = Flag(required=True)
    not_listed_because = Choice(NotListed, required=True, allow_none=True)
    rule = Nested(RuleRead, required=True)
    as_of = Moment(required=True)


class RankingRead(Schema):
    """A page of a ranking, with the rule by which it was counted and the moment of counting."""

    items = fields.List(fields.Nested(RankedRead), required=True)
    scope = Nested(RankingScopeRead, required=True, allow_none=True)
    rule = Nested(RuleRead, required=True)
    additive = Flag(required=True)
    as_of = Moment(required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class ProgressQuery(Schema):
    """Without a level, by the organizations right below the campaign's own."""

    level = Choice(OrganizationKind)


class RemainderRead(Schema):
    """What is counted in none of the parts beside it."""

    activity_count = fields.Integer(required=True)
    attendance_count = fields.Integer(required=True)
    credited_minutes = fields.Integer(required=True)


class ReachedRead(RemainderRead):
    """What was reached; all but `volunteer_count` add up."""

    volunteer_count = fields.Integer(required=True)


class ShareRead(Schema):
    """Of each goal in percent, rounded down to a tenth; null where there is no such goal."""

    activities = fields.Float(required=True, allow_none=True)
    attendances = fields.Float(required=True, allow_none=True)
    minutes = fields.Float(required=True, allow_none=True)


class ProgressOrganization(RankedSubject):
    kind = Choice(OrganizationKind, required=True)


class OrganizationProgressRead(ReachedRead):
    organization = Nested(ProgressOrganization, required=True)


class ByOrganizationRead(Schema):
    """own + Σ items + elsewhere = reached, for all that adds up.

    `own` was published for `scope` itself; `elsewhere` is what organizations beside it and those not listed held.
    """

    scope = Nested(ProgressOrganization, required=True)
    level = Choice(OrganizationKind, required=True, allow_none=True)
    own = Nested(ReachedRead, required=True)
    items = fields.List(fields.Nested(OrganizationProgressRead), required=True)
    elsewhere = Nested(RemainderRead, required=True)


class DayProgressRead(ReachedRead):
    on = Day(required=True)


class CampaignName(RankedSubject):
    starts_on = Day(required=True, allow_none=True)
    ends_on = Day(required=True, allow_none=True)


class RuleTexts(Schema):
    """How each figure is counted."""

    activity_count = Text(required=True, max_length=1000)
    attendance_count = Text(required=True, max_length=1000)
    volunteer_count = Text(required=True, max_length=1000)
    credited_minutes = Text(required=True, max_length=1000)


class ProgressRule(Schema):
    texts = Nested(RuleTexts, required=True)
    attendances_for_held_shift = Count(required=True)


class OutcomeFilter(Schema):
    """Which completed activities; the days are local, both included, of their completion."""

    organization_id = Id(metadata={"description": "Of this organization or of one below it."})
    campaign_id = Id()
    category = Choice(Category)
    first_day = Day(data_key="from")
    last_day = Day(data_key="to")

    @validates_schema
    def in_order(self, data: dict[str, Any], **_options: Any) -> None:
        if data.get("first_day") and data.get("last_day") and data["first_day"] > data["last_day"]:
            raise fault("ends_before_it_starts", "It ends before it starts.", "to")


class OutcomeSum(Schema):
    kind = Text(required=True)
    unit = Text(required=True)
    quantity = Number(required=True)
    activity_count = Count(required=True)


class OutcomeSums(Schema):
    """The hundred outcomes with the most activities behind them; quantities of one kind and unit are added up."""

    items = fields.List(fields.Nested(OutcomeSum), required=True)


class ProgressRead(Schema):
    """How far a campaign has come: `goals` against what is `reached` as of a moment, by the rankings' rule.

    `by_day` has the last 366 days on which something was held or credited, in order; `earlier` what was before them.
    `outcomes` are those of activities that were held. `held_attendance_count` is how many of the attendances reached
    wait for a review: they count until somebody rejects them.
    """

    campaign = Nested(CampaignName, required=True)
    goals = Nested(Goals, required=True)
    reached = Nested(ReachedRead, required=True)
    share_percent = Nested(ShareRead, required=True)
    held_attendance_count = Count(required=True)
    outcomes = fields.List(fields.Nested(OutcomeSum), required=True)
    by_organization = Nested(ByOrganizationRead, required=True)
    by_day = fields.List(fields.Nested(DayProgressRead), required=True)
    earlier = Nested(RemainderRead, required=True)
    rule = Nested(ProgressRule, required=True)
    as_of = Moment(required=True)
