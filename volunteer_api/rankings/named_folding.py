"""Folding who is named in rankings: who consented or took it back, asked for her erasure, or came of age.

What the named have is added up with the histograms, from the same rows; see `people_folding`.
"""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.core.database import db
from volunteer_api.core.statements import among
from volunteer_api.rankings.kept import raw_unit_of
from volunteer_api.rankings.models import RankingNamed, RankingNameMark, RankingRule
from volunteer_api.rankings.names import adults_born_by, born_between, may_be_named
from volunteer_api.rankings.schemas import ADDITIVE
from volunteer_api.rankings.spans import BEGINNING, Unit

# Of how many days those who came of age are folded at once.
BIRTHDAYS_AT_ONCE = timedelta(days=31)
KEYS = ("volunteer_id", "unit", "starts_on")
COLUMNS = (*KEYS, *(metric.value for metric in ADDITIVE))
# Her id, unit, first day.
NamedKey = tuple[UUID, str, date]


@dataclass(frozen=True)
class Naming:
    """Who is named from now on and who no more, by the marks and the dates of birth that are folded with it."""

    come: Set[UUID]
    gone: Set[UUID]
    mark_ids: Sequence[int]
    adults_born_by: date
    is_all: bool

    @property
    def changes_any(self) -> bool:
        """Whether there is anything to be folded."""
        return bool(self.come or self.gone or self.mark_ids)


def naming(now: datetime, most: int) -> Naming:
    """What is due, at most so many marks of it."""
    marks = db.session.execute(
        select(RankingNameMark.id, RankingNameMark.volunteer_id).order_by(RankingNameMark.id).limit(most)
    ).all()
    until = adults_born_by(now)
    known = db.session.scalars(select(RankingRule.adults_born_by)).one() or until
    by = max(known - BIRTHDAYS_AT_ONCE, min(known + BIRTHDAYS_AT_ONCE, until))
    ids = {mark.volunteer_id for mark in marks}
    ids.update(db.session.scalars(select(Volunteer.id).where(born_between(known, by))))
    before = named_of(ids)
    after = set(db.session.scalars(select(Volunteer.id).where(among(Volunteer.id, ids), may_be_named(by))))
    return Naming(
        come=after - before,
        gone=before - after,
        mark_ids=[mark.id for mark in marks],
        adults_born_by=by,
        is_all=len(marks) < most and by == until,
    )


def named_of(volunteer_ids: Collection[UUID]) -> set[UUID]:
    """Who of these is folded as named."""
    return set(
        db.session.scalars(
            select(RankingNamed.volunteer_id).where(
                among(RankingNamed.volunteer_id, volunteer_ids),
                RankingNamed.unit == Unit.ALL.value,
                RankingNamed.starts_on == BEGINNING,
            )
        )
    )


def rows_of(volunteer_ids: Collection[UUID]) -> Sequence[Any]:
    """What is folded of these."""
    return db.session.execute(
        select(RankingNamed.__table__).where(among(RankingNamed.volunteer_id, volunteer_ids))
    ).all()


def forget_gone(found: Naming) -> None:
    """Leave no row of who is named no more. The marks go with it, and the birthdays are known."""
    unseen = {"synchronize_session": False}
    for statement in (
        delete(RankingNamed).where(among(RankingNamed.volunteer_id, found.gone)),
        delete(RankingNameMark).where(among(RankingNameMark.id, found.mark_ids)),
        update(RankingRule)
        .where(RankingRule.adults_born_by.is_distinct_from(found.adults_born_by))
        .values(adults_born_by=found.adults_born_by),
    ):
        db.session.execute(statement, execution_options=unseen)


def drop_empty(changed: Mapping[NamedKey, Any]) -> None:
    """Leave no row of a span in which somebody has nothing, of those that were changed; but that of all time.

    Of growth who did as much as before keeps hers.
    """
    nothing = [getattr(RankingNamed, metric) == 0 for metric in ADDITIVE]
    raw = aliased(RankingNamed)
    has_any = (
        select(raw.volunteer_id)
        .where(
            raw.volunteer_id == RankingNamed.volunteer_id,
            raw.unit == raw_unit_of(RankingNamed.unit),
            raw.starts_on == RankingNamed.starts_on,
            or_(*(getattr(raw, metric) != 0 for metric in ADDITIVE)),
        )
        .exists()
    )
    db.session.execute(
        delete(RankingNamed).where(
            among(RankingNamed.volunteer_id, {key[0] for key in changed}),
            RankingNamed.unit != Unit.ALL.value,
            *nothing,
            ~has_any,
        ),
        execution_options={"synchronize_session": False},
    )
