"""Why trainings and policies refuse."""

from volunteer_api.core.problems import Conflict


class TrainingExists(Conflict):
    title = "The organization has a training of this name."
    detail = "The organization already has the training %(name)s."


class PolicyExists(Conflict):
    title = "This policy is known already."
    detail = "The policy %(policy_number)s of %(insurer)s is known already."


class CompletedInFuture(Conflict):
    title = "A training can't have been completed on a day to come."


class AlreadyRecorded(Conflict):
    """`masked_phones` in the body are those that are listed already."""

    title = "Some of these people are on the list already."


class AlreadyRevoked(Conflict):
    title = "This record was revoked before."


class OutsidePolicy(Conflict):
    """`starts_on` and `ends_on` of the policy stand in the body."""

    title = "The days must lie within those of the policy."


class PolicyOver(Conflict):
    title = "This policy is over; nobody is added to it."
