"""Background work of accounts."""

import functools
from collections.abc import Callable, Sequence
from uuid import UUID

from volunteer_api.accounts import codes, erasure, guardians, retention
from volunteer_api.core import health, scrape
from volunteer_api.core.logs import logger
from volunteer_api.core.tasks import Every, repeat, task
from volunteer_api.core.unit_of_work import run_unit


class ErasureFailed(Exception):
    """Somebody could not be erased; the next turn tries again."""


@task("accounts.forget_codes", every=Every.HOUR, unit=False)
def forget_codes() -> None:
    """Delete codes that are of no use any more, and the phones that asked for them."""
    repeat(codes.forget_codes)


@task("accounts.forget_sessions", every=Every.DAY, unit=False)
def forget_sessions() -> None:
    """Delete the sessions, and the names of the devices, on which nobody has been signed in for long."""
    repeat(retention.forget_sessions)


@task("accounts.forget_guardians", every=Every.DAY, unit=False)
def forget_guardians() -> None:
    """Forget who the guardians of those were who are of age now."""
    repeat(guardians.forget_of_age)


@task("accounts.remind_of_erasures", every=Every.HOUR)
def remind_of_erasures() -> None:
    """Tell those whose erasure is a day away."""
    erasure.remind()


@task("accounts.erase", every=Every.HOUR, unit=False)
def erase() -> None:
    """Erase whom it is time to erase, and look again at those just erased; each in a unit of their own.

    One who can't be erased holds up nobody else. Raises ErasureFailed where there was one.
    """
    due, lately = run_unit(lambda: (erasure.due(), erasure.erased_lately()), writes=False)
    failed = _each(erasure.execute, due) + _each(erasure.look_again, lately)
    if failed:
        raise ErasureFailed(f"{failed} of {len(due) + len(lately)}")


def _each(work: Callable[[UUID], object], volunteer_ids: Sequence[UUID]) -> int:
    failed = 0
    for volunteer_id in volunteer_ids:
        try:
            run_unit(functools.partial(work, volunteer_id), writes=True)
        except Exception as error:  # whatever it is, the others have the same right
            kind = type(error).__name__
            logger().error("erasure_failed", volunteer_id=str(volunteer_id), error=kind, exc_info=True)
            failed += 1
    return failed


@health.warning
def warn_of_spent_codes() -> str | None:
    """What `/readyz` says once the day's codes are used up."""
    return (
        "Today's one-time codes are used up, see CODES_A_DAY: an attack, or a great day." if codes.are_spent() else None
    )


@scrape.reading(
    "volunteer_codes_spent_ratio", "Which share of CODES_A_DAY is spent, of codes to devices not signed in before."
)
def _codes_spent() -> float:
    return codes.spent_share()
