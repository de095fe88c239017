"""The kinds of outcomes that have a name: what is typed in a name's words is of its kind, so that sums add up."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

from volunteer_api.activities.models import THOUSANDTHS, Activity, Outcome
from volunteer_api.core import texts
from volunteer_api.core.texts import Word

KINDS: Mapping[str, Word] = {
    "river_cleaned": Word("River cleaned"),
    "waste": Word("Waste taken away"),
    "leaflets": Word("Leaflets handed out"),
    "people_guided": Word("People guided"),
    "people_served": Word("People served"),
    "households_visited": Word("Households visited"),
    "children": Word("Children looked after"),
    "audience": Word("Audience"),
}


def kind_of(given: str) -> str:
    """The code of a kind that is given by its name in any language; any other text as it is."""
    return _codes().get(given.strip().casefold(), given)


def name_of(kind: str) -> str:
    """A kind in the reader's language; what somebody typed is in words already."""
    return texts.translate(KINDS[kind]) if kind in KINDS else kind


def in_words(outcomes: Sequence[Mapping[str, Any]]) -> str:
    """Outcomes as the audit log keeps them."""
    # Every digit that was given, and no power of ten.
    return ", ".join(f"{one['kind']} {Decimal(str(one['quantity'])).normalize():f} {one['unit']}" for one in outcomes)


def sums_of(activity: Activity, outcomes: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    """One row for each kind and unit, in thousandths."""
    sums: dict[tuple[str, str], int] = {}
    for outcome in outcomes:
        key = (outcome["kind"], outcome["unit"])
        sums[key] = sums.get(key, 0) + round(outcome["quantity"] * THOUSANDTHS)
    return [
        Outcome(activity_id=activity.id, kind=kind, unit=unit, quantity=quantity)
        for (kind, unit), quantity in sums.items()
    ]


@cache
def _codes() -> dict[str, str]:
    return {name.casefold(): kind for kind, source in KINDS.items() for name in (kind, *texts.in_all_languages(source))}
