"""Background work of accounts."""

from volunteer_api.accounts import codes
from volunteer_api.core.tasks import Every, task


@task("accounts.forget_codes", every=Every.HOUR)
def forget_codes() -> None:
    """Delete codes that are of no use any more, and the phones that asked for them."""
    codes.forget_codes()
