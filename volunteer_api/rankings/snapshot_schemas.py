"""What published rankings take and answer."""

from typing import Any

from marshmallow import fields, validates_schema

from volunteer_api.core.periods import PeriodField
from volunteer_api.core.schema import Choice, Count, Day, Flag, Id, Moment, Nested, PageQuery, Schema, Text, fault
from volunteer_api.organizations.models import OrganizationKind
from volunteer_api.rankings.schemas import Metric, RankedSubject, RuleRead, Subject


class SnapshotCreate(Schema):
    """The subtree and the period that are closed."""

    scope = Id(required=True)
    period = PeriodField(required=True)


class SnapshotListQuery(PageQuery):
    scope = Id()


class SnapshotFileQuery(Schema):
    """Which of a snapshot's rankings. Organizations have a level; volunteers are in no snapshot."""

    subject = Choice(Subject, required=True)
    metric = Choice(Metric, load_default=Metric.ACTIVITY_COUNT)
    level = Choice(OrganizationKind)

    @validates_schema
    def check_level(self, data: dict[str, Any], **_options: Any) -> None:
        if (data["subject"] is Subject.ORGANIZATION) != ("level" in data):
            raise fault("level_of_organizations", "Organizations are asked for by level, others without.", "level")

    @validates_schema
    def check_subject(self, data: dict[str, Any], **_options: Any) -> None:
        if data["subject"] is Subject.VOLUNTEER:
            raise fault("subject_not_published", "Volunteers stand in no published ranking.", "subject")


class SnapshotQuery(PageQuery, SnapshotFileQuery):
    """Which page of which of a snapshot's rankings."""


class ComparisonFileQuery(SnapshotFileQuery):
    """Which of its rankings, and of which other snapshot of the same scope beside it."""

    other = Id(data_key="with", required=True)


class ComparisonQuery(PageQuery, ComparisonFileQuery):
    """Which page of it."""


class SnapshotRead(Schema):
    """A closed period; `provisional` if that was before the 10 working days after it were over.

    They are over at the end of `final_after`; `final_after_is_certain` is false where the holidays of that time are not
    announced yet, and whatever is closed until then is provisional. `attendances_for_held_shift` is how many people it
    took for a shift to be held: two snapshots by different figures differ by more than what was done. `held_minutes`
    are the scope's minutes that waited for a review at the closing, and are in none of its figures; null of what was
    closed before these were kept.
    """

    id = Id(required=True)
    scope = Nested(RankedSubject, required=True)
    period = Text(required=True)
    first = Day(required=True, data_key="from")
    last = Day(required=True, data_key="to")
    provisional = Flag(required=True)
    final_after = Day(required=True)
    final_after_is_certain = Flag(required=True)
    attendances_for_held_shift = Count(required=True)
    held_minutes = fields.Integer(required=True, allow_none=True)
    closed_at = Moment(required=True)


class SnapshotRowRead(Schema):
    """One place of then, what the ledger says now (`live`), and adjustment = live − value.

    Who had no place then and has something now has no rank, and a value of 0.
    """

    rank = Count(required=True, allow_none=True)
    subject = Nested(RankedSubject, required=True)
    value = fields.Integer(required=True)
    own = fields.Integer(required=True, allow_none=True)
    live = fields.Integer(required=True)
    adjustment = fields.Integer(required=True)


class ComparedRowRead(Schema):
    """One subject in two snapshots; difference = value − other_value."""

    rank = Count(required=True, allow_none=True)
    subject = Nested(RankedSubject, required=True)
    value = fields.Integer(required=True)
    other_value = fields.Integer(required=True)
    other_rank = Count(required=True, allow_none=True)
    difference = fields.Integer(required=True)


class ClosedRankingRead(Schema):
    """A page of one ranking of a snapshot."""

    snapshot = Nested(SnapshotRead, required=True)
    items = fields.List(fields.Nested(SnapshotRowRead), required=True)
    rule = Nested(RuleRead, required=True)
    as_of = Moment(required=True)
    next_cursor = Text(required=True, allow_none=True)


class ComparisonRead(ClosedRankingRead):
    """A page of one ranking of a snapshot, beside that of another."""

    other = Nested(SnapshotRead, required=True)
    items = fields.List(fields.Nested(ComparedRowRead), required=True)
