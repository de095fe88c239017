"""Table of the calendar feeds that people gave to their calendars."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core import clock
from volunteer_api.core.database import Base


class CalendarFeed(Base):
    """The one secret address at which a volunteer's calendar reads her sign-ups; only the token's digest is kept."""

    __tablename__ = "calendar_feeds"
    __table_args__ = (UniqueConstraint("token_digest"),)

    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"), primary_key=True)
    token_digest: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
