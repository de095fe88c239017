"""What features to the right must hear of a person."""

from dataclasses import dataclass
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
