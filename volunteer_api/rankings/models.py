"""Published rankings, which only grow: the migration's triggers refuse every UPDATE and DELETE. And folded sums."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core.database import Base, Identified


class RankingSnapshot(Identified, Base):
    """A period of a subtree as it was closed: `created_at` is when it was counted.

    Until the day `final_after` is over, service of the period may still be recorded in time [order 67, article 11]:
    what was closed by then is `provisional`, and may be followed by one final snapshot. So is what was closed while the
    holidays of that time were not announced; `final_after` is the day as it was known at the closing.
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


class RegisteredChange(Base):
    """How many more or fewer volunteers are registered in a division than was folded. Triggers write it.

    They only insert, so that a crowd that registers never queues on a row.
    """

    __tablename__ = "registered_changes"
    __table_args__ = (Index("ix_registered_changes_division_code", "division_code"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True)
    division_code: Mapped[str]
    change: Mapped[int] = mapped_column(BigInteger)


class RegisteredCount(Base):
    """How many volunteers are registered with exactly this code, as it was folded; those without any left out."""

    __tablename__ = "registered_counts"
    __table_args__ = ({"sqlite_with_rowid": False},)

    division_code: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


class MemberChange(Base):
    """How many more or fewer active members a team has than was folded. Triggers write it, and only insert."""

    __tablename__ = "member_changes"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True)
    team_id: Mapped[UUID]
    change: Mapped[int] = mapped_column(BigInteger)


class MemberCount(Base):
    """How many active members a team has, as it was folded; teams without any left out."""

    __tablename__ = "member_counts"
    __table_args__ = ({"sqlite_with_rowid": False},)

    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


class RankingRule(Base):
    """By which rule and in which zone the folded tables below are made; without its one row they hold nothing.

    Whoever writes to them locks this table first, so that two never do at once.
    """

    __tablename__ = "ranking_rules"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    attendances_for_held_shift: Mapped[int]
    zone: Mapped[str]
    folded_at: Mapped[datetime]
    # Who was born later is folded as a minor; None where names are not folded yet.
    adults_born_by: Mapped[date | None]
    # By which release: None where one folded that knew none, and any other where it still runs beside this one.
    form: Mapped[int | None]


class RankingMark(Base):
    """A shift of which something changed that rankings count, since it was last folded. Triggers write it.

    They only insert, so that a crowd that checks in to one shift never queues on a row.
    """

    __tablename__ = "ranking_marks"
    __table_args__ = (Index("ix_ranking_marks_shift_id_id", "shift_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True)
    shift_id: Mapped[UUID]


class RankingRecordMark(Base):
    """A row of the hours ledger that is not folded yet. A trigger writes it."""

    __tablename__ = "ranking_record_marks"

    record_id: Mapped[UUID] = mapped_column(primary_key=True)


class RankingFacetChange(Base):
    """What an activity counted for till somebody changed it (−1), and what since then (+1). A trigger writes both.

    What is folded of a held shift tells for what it counted; minutes are recorded without it.
    """

    __tablename__ = "ranking_facet_changes"
    __table_args__ = (Index("ix_ranking_facet_changes_activity_id", "activity_id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True)
    activity_id: Mapped[UUID]
    category: Mapped[str]
    campaign_id: Mapped[UUID | None]
    change: Mapped[int]


class RankingShift(Base):
    """A held shift as it was folded: for whom it counts, on which local day, and how many attended.

    Like all that is folded it has no foreign key: it is made from rows that have them, and goes with them.
    """

    __tablename__ = "ranking_shifts"
    __table_args__ = (
        Index("ix_ranking_shifts_activity_id_on", "activity_id", "on"),
        Index("ix_ranking_shifts_on", "on"),
        Index("ix_ranking_shifts_path_id_on", "path_id", "on"),
    )

    shift_id: Mapped[UUID] = mapped_column(primary_key=True)
    activity_id: Mapped[UUID]
    on: Mapped[date]
    path_id: Mapped[UUID]
    team_id: Mapped[UUID | None]
    station_id: Mapped[UUID | None]
    category: Mapped[str]
    campaign_id: Mapped[UUID | None]
    attended: Mapped[int]


class RankingPresence(Base):
    """Who attended a held shift, as it was folded."""

    __tablename__ = "ranking_presences"
    __table_args__ = (
        Index("ix_ranking_presences_volunteer_id", "volunteer_id", "shift_id"),
        {"sqlite_with_rowid": False},
    )

    shift_id: Mapped[UUID] = mapped_column(primary_key=True)
    volunteer_id: Mapped[UUID] = mapped_column(primary_key=True)


class RankingSum(Base):
    """What adds up, in one span of local days: of a path, or of a team or station with the path that it had.

    The slice is `path`, `team` or `station`, or one with a facet behind it: what a category or a campaign had of it.
    """

    __tablename__ = "ranking_sums"
    __table_args__ = ({"sqlite_with_rowid": False},)

    slice: Mapped[str] = mapped_column(String(100), primary_key=True)
    unit: Mapped[str] = mapped_column(String(10), primary_key=True)
    starts_on: Mapped[date] = mapped_column(primary_key=True)
    # The path's own id where the slice is a path.
    ranked_id: Mapped[UUID] = mapped_column(primary_key=True)
    path_id: Mapped[UUID] = mapped_column(primary_key=True)
    activity_count: Mapped[int] = mapped_column(BigInteger)
    attendance_count: Mapped[int] = mapped_column(BigInteger)
    credited_minutes: Mapped[int] = mapped_column(BigInteger)


class RankingMinutes(Base):
    """The minutes of an activity on one local day, with the path that they were recorded with, as they were folded."""

    __tablename__ = "ranking_minutes"
    __table_args__ = ({"sqlite_with_rowid": False},)

    on: Mapped[date] = mapped_column(primary_key=True)
    activity_id: Mapped[UUID] = mapped_column(primary_key=True)
    path_id: Mapped[UUID] = mapped_column(primary_key=True)
    credited_minutes: Mapped[int] = mapped_column(BigInteger)


class RankingHeadcount(Base):
    """How many different volunteers attended in one span: of an organization with all below it or of itself, …

    The kind is `organization`, `organization_own`, `team` or `station`, or one with a facet behind it. `named` is of no
    subject: how many are named, those with nothing too; `named/<metric>` how many of them have a place in kept growth.
    """

    __tablename__ = "ranking_headcounts"
    __table_args__ = ({"sqlite_with_rowid": False},)

    kind: Mapped[str] = mapped_column(String(100), primary_key=True)
    unit: Mapped[str] = mapped_column(String(10), primary_key=True)
    starts_on: Mapped[date] = mapped_column(primary_key=True)
    ranked_id: Mapped[UUID] = mapped_column(primary_key=True)
    volunteer_count: Mapped[int] = mapped_column(BigInteger)


class RankingHistogram(Base):
    """How many volunteers have a value of a metric in one span, those without any left out.

    `named_count` of them are named in rankings.
    """

    __tablename__ = "ranking_histograms"
    __table_args__ = ({"sqlite_with_rowid": False},)

    metric: Mapped[str] = mapped_column(String(20), primary_key=True)
    unit: Mapped[str] = mapped_column(String(10), primary_key=True)
    starts_on: Mapped[date] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    volunteer_count: Mapped[int] = mapped_column(BigInteger)
    named_count: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")


class KeptQuestion(Base):
    """What a question asks about that took long to count; from `made_at` on folded as a span of its own.

    Its unit in histograms, headcounts and what the named have is `k` and the `id`; of growth the named have a second
    one, see `kept.raw_unit_of`. Where it could not be made there is `tried_at` alone.
    """

    __tablename__ = "ranking_kept"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True)
    # All that follows up to the days before.
    key: Mapped[str] = mapped_column(String(200), unique=True)
    counts: Mapped[str] = mapped_column(String(10))
    first: Mapped[date | None]
    last: Mapped[date | None]
    scope: Mapped[UUID | None]
    category: Mapped[str | None] = mapped_column(String(30))
    campaign_id: Mapped[UUID | None]
    # The days that growth is set against: what is kept is what each has less what she had.
    before_first: Mapped[date | None]
    before_last: Mapped[date | None]
    asked_at: Mapped[datetime]
    tried_at: Mapped[datetime | None]
    made_at: Mapped[datetime | None]
    row_count: Mapped[int] = mapped_column(BigInteger)


class RankingNamed(Base):
    """What somebody who may be named has in one span, as it was folded.

    A span in which she has nothing is left out, but for that of all time: those are everybody who is named. Of kept
    growth who has as much as before is there too.
    """

    __tablename__ = "ranking_named"
    __table_args__ = (
        Index(
            "ix_ranking_named_everybody",
            "volunteer_id",
            postgresql_where=text("unit = 'all'"),
            sqlite_where=text("unit = 'all'"),
        ),
        {"sqlite_with_rowid": False},
    )

    volunteer_id: Mapped[UUID] = mapped_column(primary_key=True)
    unit: Mapped[str] = mapped_column(String(10), primary_key=True)
    starts_on: Mapped[date] = mapped_column(primary_key=True)
    activity_count: Mapped[int] = mapped_column(BigInteger)
    attendance_count: Mapped[int] = mapped_column(BigInteger)
    credited_minutes: Mapped[int] = mapped_column(BigInteger)


for _metric in (RankingNamed.activity_count, RankingNamed.attendance_count, RankingNamed.credited_minutes):
    # In the order of a ranking: the largest first, and by their ids those who have as much.
    Index(
        f"ix_ranking_named_{_metric.key}",
        RankingNamed.unit,
        RankingNamed.starts_on,
        _metric.desc(),
        RankingNamed.volunteer_id,
    )


class RankingNameMark(Base):
    """Somebody of whom something changed since it was last folded that decides whether she is named.

    Triggers write it. Nobody who only grows older is marked: that is known from her date of birth.
    """

    __tablename__ = "ranking_name_marks"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True)
    volunteer_id: Mapped[UUID]
