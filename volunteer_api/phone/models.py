"""Tables of the calendar feeds that people gave to their calendars, and of what changed for their phones."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core import clock
from volunteer_api.core.database import Base


class SyncType(StrEnum):
    """What a phone keeps a copy of, the most urgent first: in this order it comes.

    Their numbers stand in the log. A new one is put at the end.
    """

    PROFILE = "profile"
    SIGN_UPS = "sign_ups"
    ATTENDANCES = "attendances"
    NOTIFICATIONS = "notifications"
    MEMBERSHIPS = "memberships"
    GRANTS = "grants"
    LOANS = "loans"
    SERVICE_RECORDS = "service_records"

    @property
    def number(self) -> int:
        """How the log names it."""
        return list(SyncType).index(self) + 1

    @classmethod
    def of(cls, number: int) -> "SyncType":
        """The type that the log names so."""
        return list(cls)[number - 1]


class CalendarFeed(Base):
    """The one secret address at which a volunteer's calendar reads her sign-ups; only the token's digest is kept."""

    __tablename__ = "calendar_feeds"
    __table_args__ = (UniqueConstraint("token_digest"),)

    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"), primary_key=True)
    token_digest: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class SyncChange(Base):
    """That something changed which a volunteer sees of her own. Triggers write it, and only insert.

    Either one row (`row_id`) of hers, or all her rows that show something: a shift, a team, or what a grant is over.
    `type` is the number of a SyncType. `xid` is the transaction that wrote it on PostgreSQL, where ids are given in
    another order than transactions are committed; 0 on SQLite, which has one writer. No foreign key: whoever checks in
    shall not pay for it.
    """

    __tablename__ = "sync_changes"
    __table_args__ = (
        CheckConstraint(
            "(volunteer_id IS NULL) <> (shown_id IS NULL) AND (volunteer_id IS NULL) = (row_id IS NULL)", name="whose"
        ),
        *(
            Index(
                f"ix_sync_changes_{column}_xid",
                column,
                "xid",
                sqlite_where=text(f"{column} IS NOT NULL"),
                postgresql_where=text(f"{column} IS NOT NULL"),
            )
            for column in ("volunteer_id", "shown_id")
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True)
    xid: Mapped[int] = mapped_column(BigInteger)
    volunteer_id: Mapped[UUID | None]
    shown_id: Mapped[UUID | None]
    type: Mapped[int] = mapped_column(SmallInteger)
    row_id: Mapped[UUID | None]
    changed_at: Mapped[datetime]


class SyncEpoch(Base):
    """The one row by which a phone's state knows its database. A restored one is another: it lacks what came after.

    No backup has it (`backups.databases`), so that whatever is made of one has none until `changes.begin` gives it one.
    `floor` is the position from which on the log is whole: what is below was deleted.
    """

    __tablename__ = "sync_epochs"
    __table_args__ = (CheckConstraint("id = 1", name="only"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(16))
    floor: Mapped[int] = mapped_column(BigInteger)
