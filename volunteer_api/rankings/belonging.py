"""How many belong to a division or a team: exact at every moment, and read in the same time for any number.

Whoever comes, moves or goes updates no counter: a trigger inserts one more row beside it. A task folds these rows into
one count for each key, the division's code or the team's id. An answer is the counts and what is not folded in yet,
read by one statement: the fold commits both at once, so no snapshot has anybody twice or not at all.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, FromClause, cast, delete, func, literal, select
from sqlalchemy import insert as plain_insert

from volunteer_api.accounts.models import Volunteer
from volunteer_api.core.database import db
from volunteer_api.core.statements import among, insert
from volunteer_api.rankings.changes import once
from volunteer_api.rankings.facts import Column, Rows
from volunteer_api.rankings.models import MemberChange, MemberCount, RegisteredChange, RegisteredCount
from volunteer_api.teams.models import Membership, MembershipState

# Folded in one transaction: a backlog is worked off in many short ones.
CHANGES_AT_ONCE = 2000


@dataclass(frozen=True)
class Belonging:
    """The two tables of one count, the name of the `key` in both, and `live`: the key of each row that counts."""

    changes: type[RegisteredChange | MemberChange]
    counts: type[RegisteredCount | MemberCount]
    key: str
    live: Rows

    def beside(self, rows: FromClause, key: Column) -> tuple[FromClause, ColumnElement[Any]]:
        """The rows, each with its counts beside it, and in SQL how many belong to its key.

        What is not folded is added up once for all of them. PostgreSQL expects nothing in a table that is emptied each
        minute: looked up for each row, all of it would be read each time.
        """
        changed, change = self._of(self.changes).label("key"), cast(func.sum(self.changes.change), BigInteger)
        changes = once(select(changed, change.label("number")).group_by(changed))
        joined = rows.outerjoin(self.counts, self._of(self.counts) == key).outerjoin(changes, changes.c.key == key)
        return joined, func.coalesce(self.counts.count, 0) + func.coalesce(changes.c.number, 0)

    def fold(self) -> bool:
        """Add at most two thousand changes to the counts; returns whether there may be more. In a unit of its own.

        The changes are deleted in the same transaction. Two that fold at once take different changes, and touch the
        counts in one order; one may be below zero meanwhile, where somebody's going is folded before the coming.
        """
        taken = db.session.execute(
            select(self.changes.id, self._of(self.changes), self.changes.change)
            .order_by(self.changes.id)
            .limit(CHANGES_AT_ONCE)
            .with_for_update(skip_locked=True)
        ).all()
        if not taken:
            return False
        sums: defaultdict[Any, int] = defaultdict(int)
        for _, key, change in taken:
            sums[key] += change
        statement = insert(self.counts)
        db.session.execute(
            statement.on_conflict_do_update(
                index_elements=[self.key], set_={"count": self.counts.count + statement.excluded.count}
            ),
            [{self.key: key, "count": sums[key]} for key in sorted(sums)],
        )
        # Codes are what people type: without this, somebody who tries many would leave as many rows for ever.
        nobody = among(self._of(self.counts), sums.keys()), self.counts.count == 0
        db.session.execute(delete(self.counts).where(*nobody))
        db.session.execute(delete(self.changes).where(among(self.changes.id, [row.id for row in taken])))
        return len(taken) == CHANGES_AT_ONCE

    def rebuild(self) -> None:
        """Count anew. In a unit that sees one moment, or that has what is counted locked.

        Else somebody who comes between two of its statements would be counted twice.
        """
        # In this order: where what is counted is locked, a fold of the last changes is waited for, and its counts are
        # seen.
        db.session.execute(delete(self.changes))
        db.session.execute(delete(self.counts))
        live = self.live.add_columns(func.count()).group_by(*self.live.selected_columns)
        db.session.execute(plain_insert(self.counts).from_select([self.key, "count"], live))

    def counted_and_live(self) -> tuple[Rows, Rows, Rows]:
        """What is counted, what is not folded yet, and what there is, taken from nothing: the key and a number."""
        return (
            select(self._of(self.counts), self.counts.count),
            select(self._of(self.changes), self.changes.change),
            self.live.add_columns(literal(-1)),
        )

    def _of(self, model: type[Any]) -> Column:
        column: Column = getattr(model, self.key)
        return column


REGISTERED = Belonging(
    RegisteredChange,
    RegisteredCount,
    "division_code",
    select(Volunteer.home_division).where(Volunteer.home_division.is_not(None), Volunteer.erased_at.is_(None)),
)
MEMBERS = Belonging(
    MemberChange, MemberCount, "team_id", select(Membership.team_id).where(Membership.state == MembershipState.ACTIVE)
)
# As the nightly check calls them.
BELONGING = {"registered volunteers": REGISTERED, "members of teams": MEMBERS}
