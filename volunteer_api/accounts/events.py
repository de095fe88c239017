"""What features to the right must hear of a person."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class PhoneProven:
    """Somebody proved by a code that an E.164 number is hers: what waits for that number takes effect."""

    volunteer_id: UUID
    phone: str


@dataclass(frozen=True)
class VolunteerErased:
    """A person is made anonymous now. `name` is what she was called until this moment."""

    volunteer_id: UUID
    name: str


@dataclass(frozen=True)
class ErasureRequested:
    """Somebody asked for her erasure, which comes at `erases_at` unless she takes that back."""

    volunteer_id: UUID
    erases_at: datetime


@dataclass(frozen=True)
class ErasureIsNear:
    """A day is left, or less, to take an erasure back. Published again and again until then."""

    volunteer_id: UUID
    erases_at: datetime
