"""One category, one campaign, or a category in a campaign is a facet of what counts: of each the same is folded.

Its name stands behind that of what it is a facet of, as in `path/elderly_care`; the whole has none.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, cast, func, literal

WHOLE = ""


def facets_of(category: str | None, campaign_id: UUID | None) -> list[str]:
    """What counts for a category and a campaign counts for: the whole, each of the two, and both."""
    names = [
        f"/{name}" for name in (category, campaign_id.hex if campaign_id is not None else None) if name is not None
    ]
    return [WHOLE, *names, *(["".join(names)] if len(names) > 1 else [])]


def facet_of(category: str | None, campaign_id: UUID | None) -> str:
    """The name of a category, a campaign, a category in a campaign, or of the whole."""
    return facets_of(category, campaign_id)[-1]


def facets_in_sql(category: Any, campaign_id: Any) -> list[ColumnElement[str]]:
    """`facets_of` in SQL: null where there is none."""
    # With dashes on PostgreSQL, without on SQLite.
    names = [literal("/").concat(name) for name in (category, func.replace(cast(campaign_id, String), "-", ""))]
    return [literal(WHOLE), *names, names[0].concat(names[1])]
