"""Grants that a table names: one role over many scopes, by phone, in a number of statements that does not grow.

The rules are those of `grants.grant_below`: whoever is registered holds the role at once, a grant to others waits for
their phone, and no answer tells the one from the other.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete

from volunteer_api.accounts import service as accounts
from volunteer_api.core import audit, clock, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.limits import spend
from volunteer_api.notifications.models import NotificationKind
from volunteer_api.notifications.service import notify_all
from volunteer_api.organizations import queries
from volunteer_api.organizations.grants import details_of, hold_phones, notice_of, pending_grant
from volunteer_api.organizations.held_roles import Scope
from volunteer_api.organizations.models import Grant, PendingGrant, Role, ScopeType

# Different phones of one account's tables: a district's 58 stations and most of a second manager for each. Not counted
# with the grants that are given one by one, or nobody could mend a table's slip on the day of it.
PHONES_A_DAY = "300/day"


@dataclass(frozen=True)
class Appointment:
    """That whoever has a phone in E.164 is to hold the role over a scope, which lies in an organization."""

    phone: str
    scope: Scope
    organization_id: UUID


def lacking(wanted: Sequence[Appointment], *, role: Role, scope_type: ScopeType) -> list[Appointment]:
    """Those that neither hold the role yet nor wait for it. Three statements, none where nothing is asked."""
    if not wanted:
        return []
    scope_ids = {one.scope.id for one in wanted}
    known = accounts.find_by_phones({one.phone for one in wanted})
    held: set[tuple[UUID, UUID]] = {
        (row.scope_id, row.volunteer_id) for row in db.session.execute(queries.live_at(scope_type, scope_ids, role))
    }
    waiting: set[tuple[UUID, bytes]] = {
        (row.scope_id, row.phone_digest)
        for row in db.session.execute(queries.pending_at(scope_type, scope_ids, role, clock.now()))
    }
    return [
        one
        for one in wanted
        if (one.scope.id, known.get(one.phone)) not in held
        and (one.scope.id, accounts.phone_digest(one.phone)) not in waiting
    ]


def grant_all(
    wanted: Sequence[Appointment], *, role: Role, scope_type: ScopeType, by: Principal
) -> Collection[Appointment]:
    """Give the role wherever it is lacking, and return where that was; everybody who is registered hears of it.

    Whether `by` may is judged by `grants.require_above`, over an organization that all scopes lie below; that those
    organizations stay open, by `access.require_all_open`. Raises TooManyRequests after 300 phones in a day.
    """
    new = lacking(wanted, role=role, scope_type=scope_type)
    if not new:
        return []
    phones = {one.phone for one in new}
    spend(PHONES_A_DAY, "grants by table", who=str(by.volunteer_id), amount=len(phones))
    # Not those of a whole table that comes back: the server has locks for some thousands.
    digests = hold_phones(phones)
    # Again, for somebody may have registered before her phone was held.
    new = lacking(new, role=role, scope_type=scope_type)
    known = accounts.find_by_phones({one.phone for one in new})
    # One that waited in vain stands in the way of its own successor.
    db.session.execute(
        delete(PendingGrant).where(
            PendingGrant.role == role,
            PendingGrant.scope_type == scope_type,
            PendingGrant.scope_id.in_({one.scope.id for one in new}),
            PendingGrant.phone_digest.in_([digests[one.phone] for one in new]),
            PendingGrant.expires_at <= clock.now(),
        )
    )
    notices = []
    for one in new:
        volunteer_id = known.get(one.phone)
        made = (
            pending_grant(one.phone, digests[one.phone], role, one.scope, by=by.volunteer_id)
            if volunteer_id is None
            else _granted(volunteer_id, role, one.scope, by=by)
        )
        db.session.add(made)
        pending = {"pending": True} if volunteer_id is None else {}
        audit.record(
            AuditAction.GRANTED,
            actor_id=by.volunteer_id,
            subject_id=volunteer_id,
            organization_id=one.organization_id,
            **pending,
            **details_of(made),
        )
        if isinstance(made, Grant):
            notices.append(notice_of(NotificationKind.GRANT_GIVEN, made, one.scope.name))
    db.session.flush()
    notify_all(notices)
    return new


def _granted(volunteer_id: UUID, role: Role, scope: Scope, *, by: Principal) -> Grant:
    return Grant(
        id=ids.new_id(),
        volunteer_id=volunteer_id,
        role=role,
        scope_type=scope.type,
        scope_id=scope.id,
        granted_by=by.volunteer_id,
    )
