"""The hours ledger. It only grows: the migration's triggers refuse every UPDATE and DELETE."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core import clock
from volunteer_api.core.database import Base, Identified, one_of


class Source(StrEnum):
    """How the minutes came to be known."""

    ATTENDED = "attended"
    BACKFILLED = "backfilled"


FIRST_CREDITS = "attendance_id IS NOT NULL AND reverses_id IS NULL AND follows_id IS NULL"
CORRECTIONS = "attendance_id IS NOT NULL AND (reverses_id IS NOT NULL OR follows_id IS NOT NULL)"
# Nobody records or approves their own; what is backfilled has two people who vouch for it.
DUAL_CONTROL = (
    "recorder_id <> volunteer_id AND approver_id <> volunteer_id AND recorder_id <> approver_id AND "
    "(source <> 'backfilled' OR reverses_id IS NOT NULL OR (recorder_id IS NOT NULL AND approver_id IS NOT NULL))"
)


class ServiceRecord(Identified, Base):
    """Whole minutes of service, with what order 67 of the Ministry of Civil Affairs, article 7, asks of a record.

    `minutes` is signed: a reversal takes back exactly what it reverses. Whose activity it was, of which team, and the
    path of organizations above it are frozen here, so that a later move of any of them rewrites no history.
    `on` is the local date of the shift's start; `starts_at` and `ends_at` bound the minutes that were looked at.
    Of one attendance, a record may be reversed and credited anew: the new credit names the reversal in `follows_id`.
    """

    __tablename__ = "service_records"
    __table_args__ = (
        CheckConstraint("source IN ('attended', 'backfilled')", name="source"),
        CheckConstraint("minutes <> 0", name="minutes"),
        CheckConstraint("starts_at <= ends_at", name="interval"),
        CheckConstraint(DUAL_CONTROL, name="dual_control"),
        # One attendance has one credit that stands, whatever races: one first credit, one reversal of each credit, and
        # one credit that follows each reversal make a chain, of which only the last link can stand.
        Index(
            "uq_service_records_attendance_id",
            "attendance_id",
            unique=True,
            sqlite_where=text(FIRST_CREDITS),
            postgresql_where=text(FIRST_CREDITS),
        ),
        # The few that came after a first credit, so that no check-out pays for them.
        Index(
            "ix_service_records_attendance_id_corrections",
            "attendance_id",
            sqlite_where=text(CORRECTIONS),
            postgresql_where=text(CORRECTIONS),
        ),
        Index("uq_service_records_follows_id", "follows_id", unique=True),
        Index("ix_service_records_volunteer_id_on_id", "volunteer_id", "on", "id"),
        Index("ix_service_records_organization_path_id_on", "organization_path_id", "on"),
        Index("ix_service_records_activity_id", "activity_id"),
        Index(
            "ix_service_records_team_id_on_id",
            "team_id",
            "on",
            "id",
            sqlite_where=text("team_id IS NOT NULL"),
            postgresql_where=text("team_id IS NOT NULL"),
        ),
        # The latest of a whole city, and a month at a time of all there is.
        Index("ix_service_records_on_id", "on", "id"),
        # Seals go through the days of recording.
        Index("ix_service_records_recorded_at_id", "recorded_at", "id"),
    )

    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    minutes: Mapped[int]
    source: Mapped[str]
    # No foreign key: attendances stand to the right of this ledger.
    attendance_id: Mapped[UUID | None]
    activity_id: Mapped[UUID | None] = mapped_column(ForeignKey("activities.id"))
    shift_id: Mapped[UUID | None] = mapped_column(ForeignKey("shifts.id"))
    station_id: Mapped[UUID | None] = mapped_column(ForeignKey("stations.id"))
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("teams.id"))
    campaign_id: Mapped[UUID | None] = mapped_column(ForeignKey("campaigns.id"))
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    organization_path_id: Mapped[UUID] = mapped_column(ForeignKey("organization_paths.id"))
    on: Mapped[date]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    place_name: Mapped[str | None]
    content: Mapped[str]
    leader_id: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    recorder_id: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    approver_id: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    reason: Mapped[str | None]
    reverses_id: Mapped[UUID | None] = mapped_column(ForeignKey("service_records.id"), unique=True)
    follows_id: Mapped[UUID | None] = mapped_column(ForeignKey("service_records.id"))
    recorded_at: Mapped[datetime] = mapped_column(default=clock.now)


class HoursDecision(StrEnum):
    """What a second person says of a backfill."""

    APPROVE = "approve"
    REJECT = "reject"


class RecordState(StrEnum):
    """Where a service record stands. The first two are backfills that the ledger does not hold."""

    PENDING = "pending"
    REJECTED = "rejected"
    RECORDED = "recorded"
    REVERSED = "reversed"
    # The row that takes another one back.
    REVERSAL = "reversal"


class Backfill(Identified, Base):
    """Service that somebody else says a volunteer did: what one person records, and a second one decides on.

    An approved one becomes the service record of the same id, marked as backfilled for ever. The minutes are those
    of its interval, inside the shift, or of a duty at the station.
    """

    __tablename__ = "backfills"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'approved', 'rejected')", name="state"),
        CheckConstraint("minutes > 0", name="minutes"),
        CheckConstraint("starts_at < ends_at", name="interval"),
        CheckConstraint("(shift_id IS NULL) = (activity_id IS NULL)", name="shift_of_activity"),
        CheckConstraint("shift_id IS NOT NULL OR station_id IS NOT NULL", name="target"),
        CheckConstraint(
            "recorder_id <> volunteer_id AND decided_by <> volunteer_id AND decided_by <> recorder_id",
            name="dual_control",
        ),
        CheckConstraint(
            "(state = 'pending') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)", name="decided"
        ),
        CheckConstraint("state <> 'rejected' OR decision_reason IS NOT NULL", name="rejected_with_reason"),
        Index(
            "uq_backfills_pending",
            "volunteer_id",
            "starts_at",
            unique=True,
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index("ix_backfills_volunteer_id_id", "volunteer_id", "id"),
        Index("ix_backfills_organization_id_state_id", "organization_id", "state", "id"),
        Index("ix_backfills_activity_id", "activity_id"),
        Index("ix_backfills_station_id", "station_id"),
        Index("ix_backfills_recorder_id", "recorder_id"),
        Index("ix_backfills_decided_by", "decided_by"),
    )

    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    activity_id: Mapped[UUID | None] = mapped_column(ForeignKey("activities.id"))
    shift_id: Mapped[UUID | None] = mapped_column(ForeignKey("shifts.id"))
    station_id: Mapped[UUID | None] = mapped_column(ForeignKey("stations.id"))
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("teams.id"))
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    on: Mapped[date]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    minutes: Mapped[int]
    reason: Mapped[str]
    recorder_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    state: Mapped[str] = mapped_column(String(20), default="pending")
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    decided_at: Mapped[datetime | None]
    decision_reason: Mapped[str | None]


class SubjectKind(StrEnum):
    """Whose service a tally sums. `organization` is one with all below it, `organization_own` is without them."""

    VOLUNTEER = "volunteer"
    TEAM = "team"
    STATION = "station"
    CAMPAIGN = "campaign"
    ORGANIZATION = "organization"
    ORGANIZATION_OWN = "organization_own"


class TallyUnit(StrEnum):
    """How long a span a total is of."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"
    ALL = "all"


class TallyTotal(Base):
    """What is folded in of a subject's minutes in one span that begins on the local day `starts_on`.

    A tally is this and the TallyChanges that are not folded in yet, read by one statement (see tallies.py). All time
    begins on `tallies.BEGINNING`.
    """

    __tablename__ = "tally_totals"
    __table_args__ = (
        CheckConstraint(one_of("subject_kind", SubjectKind), name="subject_kind"),
        CheckConstraint(one_of("unit", TallyUnit), name="unit"),
        # The key is the table: in SQLite it would be stored twice.
        {"sqlite_with_rowid": False},
    )

    subject_kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    unit: Mapped[str] = mapped_column(String(10), primary_key=True)
    starts_on: Mapped[date] = mapped_column(primary_key=True)
    credited_minutes: Mapped[int] = mapped_column(BigInteger)
    held_minutes: Mapped[int] = mapped_column(BigInteger)


class _Attributed:
    """To whom and where minutes belong, as it was when they were written down."""

    volunteer_id: Mapped[UUID]
    team_id: Mapped[UUID | None]
    station_id: Mapped[UUID | None]
    campaign_id: Mapped[UUID | None]
    organization_id: Mapped[UUID]
    organization_path_id: Mapped[UUID]
    on: Mapped[date]


class TallyChange(Identified, _Attributed, Base):
    """Signed minutes that are not in the totals yet. Writers only insert, so that none waits for another.

    It lives for a minute, beside the row that it came from: that one has the foreign keys.
    """

    __tablename__ = "tally_changes"
    __table_args__ = (Index("ix_tally_changes_volunteer_id", "volunteer_id"),)

    credited_minutes: Mapped[int] = mapped_column(default=0)
    held_minutes: Mapped[int] = mapped_column(default=0)


class HeldAttribution(_Attributed, Base):
    """Where an attendance's held minutes were first counted, so that they are taken back from there, whatever moved."""

    __tablename__ = "held_attributions"

    # No foreign key: attendances stand to the right of this ledger.
    attendance_id: Mapped[UUID] = mapped_column(primary_key=True)


class TallyFault(Identified, Base):
    """A tally that the last check found different from what it sums; each check writes them anew."""

    __tablename__ = "tally_faults"

    subject_kind: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[UUID]
    unit: Mapped[str] = mapped_column(String(10))
    starts_on: Mapped[date]
    # What the tally has too many of; below zero, what it lacks.
    credited_minutes: Mapped[int] = mapped_column(BigInteger)
    held_minutes: Mapped[int] = mapped_column(BigInteger)


class DaySeal(Base):
    """That the rows of the ledger recorded on one local day are what they are: the root of a Merkle tree (RFC 6962).

    Its leaves are the day's rows in the order of their SealLeaf, and at last the day itself with the root of the seal
    before (leaves.closing_leaf), so that one root vouches for everything before it. Seals are numbered without gaps in
    `id`, one for each day, also for a day without rows. `form` is the format of the leaves; `signature` a keyed digest
    of the root, which nobody can make who has the database alone. It only grows.
    """

    __tablename__ = "day_seals"
    __table_args__ = (
        UniqueConstraint("on"),
        UniqueConstraint("previous_root"),
        CheckConstraint("id > 0", name="numbered"),
        CheckConstraint("(id = 1) = (previous_root IS NULL)", name="chained"),
        CheckConstraint("record_count >= 0", name="record_count"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    on: Mapped[date]
    # Rows recorded before this moment and in no seal before are in this one.
    ends_at: Mapped[datetime]
    form: Mapped[int]
    record_count: Mapped[int]
    root: Mapped[bytes] = mapped_column(LargeBinary)
    previous_root: Mapped[bytes | None] = mapped_column(LargeBinary)
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_at: Mapped[datetime] = mapped_column(default=clock.now)


class SealLeaf(Base):
    """Where a row of the ledger stands in its day's seal, and the digest of its leaf. It only grows.

    Without it a changed row would show as a wrong root of its day; with it, it has a name. A row is in one seal.
    """

    __tablename__ = "seal_leaves"
    __table_args__ = (
        UniqueConstraint("seal_id", "position"),
        CheckConstraint("position >= 0", name="position"),
    )

    # The row's own.
    id: Mapped[UUID] = mapped_column(ForeignKey("service_records.id"), primary_key=True)
    # Judged at the commit: the root is known when the last leaf is written.
    seal_id: Mapped[int] = mapped_column(ForeignKey("day_seals.id", deferrable=True, initially="DEFERRED"))
    position: Mapped[int]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
