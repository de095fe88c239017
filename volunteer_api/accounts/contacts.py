"""A name with a phone, sealed by the key ring: of guardians and of whom to call in an emergency."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import orjson

from volunteer_api.core import keyring

PURPOSE = "contacts"


@dataclass(frozen=True)
class Person:
    """Somebody to call. `phone` is E.164."""

    name: str
    phone: str


def seal(contact: Mapping[str, str], volunteer_id: UUID) -> bytes:
    """The contact {name, phone} of a volunteer, readable only together with the volunteer's id."""
    plain = orjson.dumps({"name": contact["name"], "phone": contact["phone"]})
    return keyring.encrypt(PURPOSE, plain, volunteer_id.bytes)


def unseal(sealed: bytes, volunteer_id: UUID) -> Person:
    """What `seal` sealed for the same volunteer."""
    return Person(**orjson.loads(keyring.decrypt(PURPOSE, sealed, volunteer_id.bytes)))


def person_of(sealed: bytes | None, volunteer_id: UUID) -> Person | None:
    """The contact in a column of the volunteer's that may be empty."""
    return unseal(sealed, volunteer_id) if sealed is not None else None


def phone_digest(phone: str) -> bytes:
    """What an E.164 number is found by where only its sealed form is stored."""
    return keyring.look_up(PURPOSE, phone)
