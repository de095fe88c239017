"""One category or one campaign is a facet of what counts: of each the same is folded as of the whole.

Its name stands behind that of what it is a facet of, as in `path/elderly_care`; the whole has none.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, cast, func, literal

WHOLE = ""


def facets_of(category: str | None, campaign_id: UUID | None) -> list[str]:
    """What counts for a category and a campaign counts for: the whole, and one or two facets."""
    names = [category, campaign_id.hex if campaign_id is not None else None]
    return [WHOLE, *(f"/{name}" for name in names if name is not None)]


def facet_of(category: str | None, campaign_id: UUID | None) -> str:
    """The name of one category or one campaign, or of the whole; of a category in a campaign nothing has that name."""
    return "".join(facets_of(category, campaign_id))


def facets_in_sql(category: Any, campaign_id: Any) -> list[ColumnElement[str]]:
    """`facets_of` in SQL: null where there is none."""
    # With dashes on PostgreSQL, without on SQLite.
    names = [category, func.replace(cast(campaign_id, String), "-", "")]
    return [literal(WHOLE), *(literal("/").concat(name) for name in names)]
