"""Background work of inventory."""

from volunteer_api.core import health
from volunteer_api.core.tasks import Every, task
from volunteer_api.inventory import recalls, retained_names, verification


@task("inventory.forget_names", every=Every.DAY)
def forget_names() -> None:
    """Delete the names of erased people whose documents need not name them any more."""
    retained_names.forget_names()


@task(recalls.QUARANTINE_RECALLED, every=Every.MINUTE, unit=False)
def quarantine_recalled() -> None:
    """Quarantine what stations have of recalled lots: after a recall, and what came in while it was made."""
    recalls.quarantine_all()


@task("inventory.verify_ledger", every=Every.DAY, unit=False)
def verify_ledger() -> None:
    """Replay every station's ledger against its balances, and raise an alarm where they differ."""
    verification.verify_all()


@health.warning
def warn_of_faults() -> str | None:
    """What `/readyz` says while the ledger has faults."""
    count = verification.open_fault_count()
    return f"The stock ledger has {count} faults; see `volunteer-api stock verify`." if count else None
