"""Short messages that are no codes: somebody's number, password or ward changed hands, and perhaps it was not her."""

from volunteer_api.accounts.senders import outbox
from volunteer_api.accounts.senders.base import Notice
from volunteer_api.core.unit_of_work import after_commit


def tell_phone(phone: str | None, notice: Notice) -> None:
    """Send a notice to an E.164 number once the unit is committed; to nobody where there is none.

    A notice that is lost is lost: the inbox has the same, and nothing waits for it.
    """
    if phone is None:
        return
    sender = outbox()
    after_commit(lambda: sender.notify(phone=phone, notice=notice))
