"""What is known of each stored photo; its bytes lie in the store."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core import clock
from volunteer_api.core.database import Base, Identified


class StoredFile(Identified, Base):
    """A photo.

    `name` is its secret name in the store and in its address. `owner_id` is the volunteer who sent it, None once that
    account is erased. `thumbnails` is `[{"name", "width", "height"}]`, smallest first. `touched_at` is when it was sent
    or last put to use.
    """

    __tablename__ = "files"
    __table_args__ = (Index("ix_files_owner_id", "owner_id"), Index("ix_files_touched_at", "touched_at"))

    # Without a foreign key: accounts stands to the right.
    owner_id: Mapped[UUID | None]
    name: Mapped[str] = mapped_column(unique=True)
    media_type: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    byte_size: Mapped[int]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    thumbnails: Mapped[list[Any]]
    touched_at: Mapped[datetime] = mapped_column(default=clock.now)

    @property
    def names(self) -> list[str]:
        """Everything of it that lies in the store."""
        return [self.name, *(thumbnail["name"] for thumbnail in self.thumbnails)]
