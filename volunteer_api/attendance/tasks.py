"""Background work of attendances."""

from volunteer_api.attendance import absences, closing, given_codes, queries, review_queries, waiting
from volunteer_api.core import scrape
from volunteer_api.core.tasks import Every, task
from volunteer_api.hours.verification import register_held

register_held(queries.waiting_minutes)


@task("attendance.record_absences", every=Every.HOUR)
def record_absences() -> int:
    """Record who did not come to a shift that they had a place in."""
    return absences.record_absences()


@task("attendance.close_forgotten", every=Every.MINUTE)
def close_forgotten() -> int:
    """Close what nobody checked out of."""
    return closing.close_forgotten()


@task("attendance.carry_out_stranded", every=Every.MINUTE)
def carry_out_stranded() -> int:
    """Carry out check-outs that only missed their check-in."""
    return waiting.carry_out_stranded()


@task("attendance.remind_of_reviews", every=Every.DAY)
def remind_of_reviews() -> int:
    """Remind leaders of what must be decided soon."""
    return closing.remind_of_reviews()


@task("attendance.remind_reviewers", every=Every.DAY)
def remind_reviewers() -> None:
    """Tell reviewers of what must be decided soon, and of what is late."""
    closing.remind_reviewers()


@task("attendance.forget_given_codes", every=Every.DAY)
def forget_given_codes() -> int:
    """Forget who was given codes that no tap can bring any more."""
    return given_codes.forget()


@task("attendance.tell_unmatched_check_outs", every=Every.HOUR)
def tell_unmatched_check_outs() -> int:
    """Let volunteers hear of check-outs whose check-in did not come."""
    return waiting.tell_unmatched()


@scrape.reading("volunteer_attendances_held", "Attendances that wait for a review, counted up to 10,000.")
def tell_held() -> int:
    """What `/metrics` says of reviews."""
    return review_queries.held_count(scrape.COUNTED_AT_MOST)
