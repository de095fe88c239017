"""Who may read rankings."""

from volunteer_api.core.access import Principal, open_to_all


@open_to_all
def to_read(_principal: Principal | None) -> None:
    """Anybody. A loader, and not plain `public`, because an unknown scope or campaign is answered with 404."""
