"""Published rankings. They only grow: the migration's triggers refuse every UPDATE and DELETE."""

from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core.database import Base, Identified


class RankingSnapshot(Identified, Base):
    """A period of a subtree as it was closed: `created_at` is when it was counted.

    Until the day `final_after` is over, service of the period may still be recorded in time [order 67, article 11]:
    what was closed by then is `provisional`, and may be followed by one final snapshot.
    """

    __tablename__ = "ranking_snapshots"
    __table_args__ = (UniqueConstraint("scope_id", "period", "provisional"),)

    scope_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    period: Mapped[str] = mapped_column(String(10))
    first_on: Mapped[date]
    last_on: Mapped[date]
    provisional: Mapped[bool]
    final_after: Mapped[date]
    # The rule by which it was counted, beside what never changes of it.
    attendances_for_held_shift: Mapped[int]
    closed_by: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))


class RankingSnapshotRow(Identified, Base):
    """One subject's value in a snapshot, with its name and level of then; those with zero too."""

    __tablename__ = "ranking_snapshot_rows"
    __table_args__ = (UniqueConstraint("snapshot_id", "subject", "metric", "ranked_id"),)

    snapshot_id: Mapped[UUID] = mapped_column(ForeignKey("ranking_snapshots.id"))
    subject: Mapped[str] = mapped_column(String(20))
    metric: Mapped[str] = mapped_column(String(20))
    ranked_id: Mapped[UUID]
    level: Mapped[str | None] = mapped_column(String(20))
    name: Mapped[str]
    value: Mapped[int] = mapped_column(BigInteger)
    own: Mapped[int | None] = mapped_column(BigInteger)
