"""Sealing anew what an older key sealed, in small units, so that a rotation needs no pause."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import InstrumentedAttribute

from volunteer_api.accounts import contacts, resident_ids
from volunteer_api.accounts.models import Guardian, ResidentId, Volunteer
from volunteer_api.core import keyring
from volunteer_api.core.database import db
from volunteer_api.core.statements import row_count
from volunteer_api.core.unit_of_work import run_unit

BATCH = 200


@dataclass(frozen=True)
class SealedColumn:
    """A column of sealed values; `owner` is the column with the volunteer's id, their context."""

    purpose: str
    row_id: InstrumentedAttribute[UUID]
    owner: InstrumentedAttribute[UUID]
    value: InstrumentedAttribute[Any]


RESIDENT_IDS = (SealedColumn(resident_ids.PURPOSE, ResidentId.id, ResidentId.volunteer_id, ResidentId.sealed),)
CONTACTS = (
    SealedColumn(contacts.PURPOSE, Volunteer.id, Volunteer.id, Volunteer.emergency_contact),
    SealedColumn(contacts.PURPOSE, Volunteer.id, Volunteer.id, Volunteer.guardian_contact),
    SealedColumn(contacts.PURPOSE, Guardian.id, Guardian.volunteer_id, Guardian.contact),
)


def reencrypt(columns: tuple[SealedColumn, ...], *, batch: int = BATCH) -> int:
    """Seal every value of the columns with the ring's newest key, `batch` rows to a unit; returns how many were due.

    Broken off, it goes on where it was when it is started again: what is sealed by the newest key is left alone.
    """
    return sum(_reencrypt_column(column, batch) for column in columns)


def _reencrypt_column(column: SealedColumn, batch: int) -> int:
    count, after = 0, None
    while True:
        done, after = _next_batch(column, after, batch)
        count += done
        if after is None:
            return count


def _next_batch(column: SealedColumn, after: UUID | None, batch: int) -> tuple[int, UUID | None]:
    """Committed by itself: how many values were due, and the last row looked at (None: that was all)."""
    return run_unit(lambda: _seal_anew(column, after, batch), writes=True)


def _seal_anew(column: SealedColumn, after: UUID | None, batch: int) -> tuple[int, UUID | None]:
    rows = select(column.row_id.label("row_id"), column.owner.label("owner"), column.value.label("value"))
    rows = rows.where(column.value.is_not(None)).order_by(column.row_id).limit(batch)
    if after is not None:
        rows = rows.where(column.row_id > after)
    newest, count = keyring.newest_key_id(column.purpose), 0
    found = db.session.execute(rows).all()
    for row in found:
        if keyring.key_id_of(row.value) == newest:
            continue
        plain = keyring.decrypt(column.purpose, row.value, row.owner.bytes)
        # What its owner changed meanwhile is sealed by the newest key already. No version rises: nothing is said anew.
        changed = db.session.execute(
            update(column.value.class_)
            .where(column.row_id == row.row_id, column.value == row.value)
            .values({column.value.key: keyring.encrypt(column.purpose, plain, row.owner.bytes)})
            .execution_options(synchronize_session=False)
        )
        count += row_count(changed)
    return count, found[-1].row_id if len(found) == batch else None
