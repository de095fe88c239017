"""Items: what stations may keep, and what they must not; kit standards: what they must keep."""

from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, UniqueConstraint, false
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.accounts.models import Volunteer
from volunteer_api.core.codes import folded
from volunteer_api.core.database import Base, Identified, Versioned, one_of
from volunteer_api.core.pinyin import spelled
from volunteer_api.files.models import StoredFile
from volunteer_api.organizations.models import Organization
from volunteer_api.stations.models import StationKind


class ItemKind(StrEnum):
    """How an item is used: lent and taken back, used up, or kept in the first-aid box."""

    DURABLE = "durable"
    CONSUMABLE = "consumable"
    MEDICAL = "medical"


# Worked out by the row itself, so that whoever inserts one can't forget it or give it another's.
def _initials(context: DefaultExecutionContext) -> str:
    return spelled(_name(context)).initials


def _pinyin(context: DefaultExecutionContext) -> str:
    return spelled(_name(context)).pinyin


def _folded_name(context: DefaultExecutionContext) -> str:
    return folded(_name(context))


def _name(context: DefaultExecutionContext) -> str:
    row: dict[str, Any] = context.get_current_parameters()  # type: ignore[no-untyped-call]  # SQLAlchemy's own
    return str(row["name"])


class Item(Identified, Versioned, Base):
    """A thing that stations keep, counted in whole units. A prohibited one is listed so that it can be refused.

    An archived one is no longer offered: it is received nowhere and required nowhere, but what there is of it may be
    lent, issued and counted, and its history stays. Change the name by `rename`: other columns follow it.
    """

    __tablename__ = "items"
    __table_args__ = (
        UniqueConstraint("name"),
        # One article is one item, however its name is typed.
        UniqueConstraint("folded_name"),
        CheckConstraint(one_of("kind", ItemKind), name="kind_known"),
        CheckConstraint("days_once_opened > 0", name="days_once_opened"),
        Index("ix_items_initials", "initials"),
        Index("ix_items_pinyin", "pinyin"),
        Index("ix_items_added_by", "added_by"),
    )

    name: Mapped[str]
    folded_name: Mapped[str] = mapped_column(default=_folded_name)
    # As `core.pinyin.spelled` gives them: df and dianfu for 碘伏.
    initials: Mapped[str] = mapped_column(default=_initials)
    pinyin: Mapped[str] = mapped_column(default=_pinyin)
    kind: Mapped[str]
    unit: Mapped[str]
    # How long one of it is good once it is opened, whatever its lot says; None where opening changes nothing.
    days_once_opened: Mapped[int | None]
    prohibited: Mapped[bool] = mapped_column(default=False, server_default=false())
    archived: Mapped[bool] = mapped_column(default=False, server_default=false())
    # Who may mend it while nobody else uses it; None of what is older than this column, or came with the deployment.
    added_by: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))

    def rename(self, name: str) -> None:
        """Give it another name, and its spelling with it."""
        spelling = spelled(name)
        self.folded_name = folded(name)
        self.name, self.initials, self.pinyin = name, spelling.initials, spelling.pinyin


class FormerItemName(Identified, Base):
    """What an item was called until this row was made: the books of months that were closed before say so still."""

    __tablename__ = "former_item_names"
    __table_args__ = (Index("ix_former_item_names_item_id", "item_id", "created_at"),)

    item_id: Mapped[UUID] = mapped_column(ForeignKey(Item.id))
    name: Mapped[str]


class ItemBarcode(Base):
    """A code by which an item is found with a scanner; no two items share one."""

    __tablename__ = "item_barcodes"
    __table_args__ = (Index("ix_item_barcodes_item_id", "item_id"),)

    barcode: Mapped[str] = mapped_column(String(48), primary_key=True)
    item_id: Mapped[UUID] = mapped_column(ForeignKey(Item.id))


class ItemPhoto(Base):
    """A photo of an item; the one at position 0 comes first."""

    __tablename__ = "item_photos"
    __table_args__ = (Index("ix_item_photos_file_id", "file_id"),)

    item_id: Mapped[UUID] = mapped_column(ForeignKey(Item.id), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    file_id: Mapped[UUID] = mapped_column(ForeignKey(StoredFile.id))


class KitStandard(Identified, Versioned, Base):
    """What an organization asks of stations below it for one kit, like the desk kit or the first-aid box.

    What it asks is in its versions; `latest_number` is that of the newest, so that two who issue one at once meet here.
    """

    __tablename__ = "kit_standards"
    __table_args__ = (
        # For the foreign key of its kinds.
        UniqueConstraint("id", "organization_id", "kit"),
        Index("ix_kit_standards_organization_id", "organization_id"),
        CheckConstraint("latest_number > 0", name="latest_number"),
    )

    organization_id: Mapped[UUID] = mapped_column(ForeignKey(Organization.id))
    kit: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(100))
    latest_number: Mapped[int] = mapped_column(default=1)


class KitStandardKind(Base):
    """A kind of stations that a standard is for: an organization asks one thing of a kind and kit, never two."""

    __tablename__ = "kit_standard_kinds"
    __table_args__ = (
        CheckConstraint(one_of("station_kind", StationKind), name="station_kind"),
        ForeignKeyConstraint(
            ["standard_id", "organization_id", "kit"],
            ["kit_standards.id", "kit_standards.organization_id", "kit_standards.kit"],
        ),
        Index("ix_kit_standard_kinds_standard_id", "standard_id"),
    )

    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    kit: Mapped[str] = mapped_column(String(40), primary_key=True)
    station_kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    standard_id: Mapped[UUID]


class KitStandardVersion(Identified, Base):
    """A standard as it counts from a day on. Of those that count already, the one with the highest number does.

    A withdrawn one asks for nothing.
    """

    __tablename__ = "kit_standard_versions"
    __table_args__ = (
        UniqueConstraint("standard_id", "number"),
        CheckConstraint("number > 0", name="number"),
        Index("ix_kit_standard_versions_issued_by", "issued_by"),
    )

    standard_id: Mapped[UUID] = mapped_column(ForeignKey(KitStandard.id))
    number: Mapped[int]
    effective_from: Mapped[date]
    withdrawn: Mapped[bool] = mapped_column(default=False, server_default=false())
    note: Mapped[str | None] = mapped_column(String(500))
    # None where the command line issued it.
    issued_by: Mapped[UUID | None] = mapped_column(ForeignKey(Volunteer.id))


class KitStandardLine(Base):
    """How many of an item a version asks for. Without a critical one a station can't do its work."""

    __tablename__ = "kit_standard_lines"
    __table_args__ = (
        CheckConstraint("minimum > 0", name="minimum"),
        Index("ix_kit_standard_lines_item_id", "item_id"),
    )

    version_id: Mapped[UUID] = mapped_column(ForeignKey(KitStandardVersion.id), primary_key=True)
    item_id: Mapped[UUID] = mapped_column(ForeignKey(Item.id), primary_key=True)
    position: Mapped[int]
    minimum: Mapped[int]
    critical: Mapped[bool]
