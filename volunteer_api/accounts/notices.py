"""Short messages that are no codes: somebody's number, password or ward changed hands, and perhaps it was not her."""

from volunteer_api.accounts.senders import outbox
from volunteer_api.accounts.senders.base import Notice
from volunteer_api.core.limits import spend
from volunteer_api.core.problems import TooManyRequests
from volunteer_api.core.unit_of_work import after_commit

# Per phone: somebody who changes a password all day must cost no message each time.
NOTICES_A_DAY = "5/day"


def tell_phone(phone: str | None, notice: Notice) -> None:
    """Send a notice to an E.164 number once the unit is committed; to nobody where there is none, or after five a day.

    A notice that is lost is lost: the inbox has the same, and nothing waits for it.
    """
    if phone is None:
        return
    try:
        spend(NOTICES_A_DAY, "notices", who=phone)
    except TooManyRequests:
        return
    sender = outbox()
    after_commit(lambda: sender.notify(phone=phone, notice=notice))
