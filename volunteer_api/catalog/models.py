"""Items: what stations may keep, and what they must not."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core.database import Base, Identified, Versioned, one_of


class ItemKind(StrEnum):
    """How an item is used: lent and taken back, used up, or kept in the first-aid box."""

    DURABLE = "durable"
    CONSUMABLE = "consumable"
    MEDICAL = "medical"


class Item(Identified, Versioned, Base):
    """A thing that stations keep, counted in whole units. A prohibited one is listed so that it can be refused."""

    __tablename__ = "items"
    __table_args__ = (
        UniqueConstraint("name"),
        CheckConstraint(one_of("kind", ItemKind), name="kind_known"),
        CheckConstraint("days_once_opened > 0", name="days_once_opened"),
    )

    name: Mapped[str]
    kind: Mapped[str]
    unit: Mapped[str]
    # How long one of it is good once it is opened, whatever its lot says; None where opening changes nothing.
    days_once_opened: Mapped[int | None]
    prohibited: Mapped[bool] = mapped_column(default=False, server_default=false())
