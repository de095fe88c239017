"""Payloads of trainings and insurance policies."""

from typing import Any

from marshmallow import validates_schema

from volunteer_api.core.schema import (
    Count,
    Day,
    FlagParameter,
    Id,
    ListOf,
    Moment,
    Nested,
    PageQuery,
    Phone,
    Schema,
    Text,
    fault,
)
from volunteer_api.core.tables import OutcomeRead


class TrainingFilter(PageQuery):
    """`organization_id` takes in its whole subtree; `q` is a part of the name."""

    organization_id = Id()
    q = Text(max_length=50)


class TrainingCreate(Schema):
    """`valid_days` is how long it counts once completed; for ever where it is left out."""

    organization_id = Id(required=True)
    name = Text(max_length=100, required=True)
    description = Text(max_length=2000)
    valid_days = Count(minimum=1, maximum=3660)


class TrainingUpdate(Schema):
    """What changes; records keep the days that they were written with."""

    name = Text(max_length=100)
    description = Text(max_length=2000, allow_none=True)
    valid_days = Count(minimum=1, maximum=3660, allow_none=True)


class TrainingRead(Schema):
    id = Id(required=True)
    version = Count(required=True)
    organization_id = Id(required=True)
    name = Text(required=True)
    description = Text(max_length=2000, required=True, allow_none=True)
    valid_days = Count(required=True, allow_none=True)


class CompletionsCreate(Schema):
    """The phones of those who completed the training on a day, registered or not."""

    phones = ListOf(Phone(), max_length=100, min_length=1, required=True)
    completed_on = Day(required=True)


class TrainingRecordRead(Schema):
    """`valid_until` is the last day on which it counts, null for ever."""

    id = Id(required=True)
    training_id = Id(required=True)
    masked_phone = Text(required=True)
    completed_on = Day(required=True)
    valid_until = Day(required=True, allow_none=True)
    revoked_at = Moment(required=True, allow_none=True)
    revocation_reason = Text(max_length=500, required=True, allow_none=True)


class TrainingRecordList(Schema):
    items = ListOf(Nested(TrainingRecordRead), required=True)


class Revocation(Schema):
    reason = Text(max_length=500, required=True)


class PolicyFilter(PageQuery):
    """`organization_id` takes in its whole subtree; `on` finds those that cover that day."""

    organization_id = Id()
    on = Day()


class PolicyCreate(Schema):
    """A policy covers from `starts_on` to `ends_on`, both included."""

    organization_id = Id(required=True)
    insurer = Text(max_length=100, required=True)
    policy_number = Text(max_length=64, required=True)
    starts_on = Day(required=True)
    ends_on = Day(required=True)
    note = Text(max_length=500)

    @validates_schema
    def days_in_order(self, data: dict[str, Any], **_: Any) -> None:
        if data["ends_on"] < data["starts_on"]:
            raise fault("ends_before_start", "The last day is before the first.", "ends_on")


class PolicyUpdate(Schema):
    """Its end and its note. Who was covered to the old end is covered to a later one too."""

    ends_on = Day()
    note = Text(max_length=500, allow_none=True)


class PolicyRead(Schema):
    id = Id(required=True)
    version = Count(required=True)
    organization_id = Id(required=True)
    insurer = Text(required=True)
    policy_number = Text(required=True)
    starts_on = Day(required=True)
    ends_on = Day(required=True)
    note = Text(max_length=500, required=True, allow_none=True)
    insured_count = Count(required=True)


class InsuredCreate(Schema):
    """The phones of those whom the policy covers, registered or not; from today to its end where no days are given."""

    phones = ListOf(Phone(), max_length=100, min_length=1, required=True)
    starts_on = Day()
    ends_on = Day()


class InsuredRead(Schema):
    id = Id(required=True)
    policy_id = Id(required=True)
    masked_phone = Text(required=True)
    starts_on = Day(required=True)
    ends_on = Day(required=True)


class InsuredList(Schema):
    items = ListOf(Nested(InsuredRead), required=True)


class InsuredImportQuery(Schema):
    """A dry run names each bad cell and changes nothing."""

    dry_run = FlagParameter(load_default=False)


class CompletionsImportQuery(InsuredImportQuery):
    """`completed_on` is the day of the rows that name none."""

    completed_on = Day()


class PeopleImportRead(OutcomeRead):
    """What a table of people led to, or would lead to. Who stood there before for the same days is `already_listed`.

    Who is not registered yet is listed too, by the phone, and nobody learns who that is. Nothing was made of
    `ignored_columns`.
    """

    listed = Count(required=True)
    already_listed = Count(required=True)


class CoverEnding(Schema):
    """The last day of one person's cover."""

    on = Day(required=True)


class OwnTrainingRead(Schema):
    """What one completed oneself."""

    id = Id(required=True)
    training_id = Id(required=True)
    name = Text(required=True)
    completed_on = Day(required=True)
    valid_until = Day(required=True, allow_none=True)


class OwnInsuranceRead(Schema):
    """A policy that covers one, and on which days."""

    id = Id(required=True)
    insurer = Text(required=True)
    policy_number = Text(required=True)
    starts_on = Day(required=True)
    ends_on = Day(required=True)
