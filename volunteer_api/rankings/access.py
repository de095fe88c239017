"""Who may read rankings."""

from volunteer_api.core.access import Principal, open_to_all


@open_to_all
def to_read(_principal: Principal | None) -> None:
    """Anybody. A loader, and not plain `public`, because 404 is one of the answers: for an unknown scope or campaign."""
