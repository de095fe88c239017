"""The verbs of grants: give, take away; and those that wait for a phone."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from volunteer_api.accounts import service as accounts
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import audit, clock, events, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.limits import spend
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.core.settings import rules
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.models import NotificationKind
from volunteer_api.notifications.service import Notice, notify_all, notify_each
from volunteer_api.notifications.templates import register, tell_in_words
from volunteer_api.organizations import queries, words
from volunteer_api.organizations.access import ROLE_PERMISSIONS, Permission, administrators_near, require_open
from volunteer_api.organizations.events import OrganizationGrantGiven
from volunteer_api.organizations.held_roles import Grantee, GrantView, Scope
from volunteer_api.organizations.models import Grant, Organization, PendingGrant, Role, ScopeType
from volunteer_api.organizations.problems import (
    AccountComesFirst,
    AlreadyGranted,
    LastAdministrator,
    OrganizationClosed,
    RoleDoesNotFit,
    VolunteerUnknown,
)

tell_in_words("role", words.ROLES)
MERGED = register(
    "grant_ended_by_merging",
    "A role of yours has ended",
    "%(scope)s was merged into %(into)s: you no longer hold the role of %(role)s there.",
    Group.ROLES,
)
ONE_MORE = register(
    "administrator_added",
    "One more administrator",
    "%(name)s is now an administrator of %(scope)s too.",
    Group.ROLES,
)
MOST_AT_ONCE = 1000
# Per account, beside the thirty of an hour: the district's 58 stations get their managers on one day, and nobody goes
# through a list of phones.
PHONES_A_DAY = "100/day"

# Who stands above whom: nobody grants a role above or beside what she holds.
ROLE_RANKS = {
    Role.ADMINISTRATOR: 3,
    Role.ORGANIZER: 2,
    Role.INSPECTOR: 1,
    Role.AUDITOR: 1,
    Role.STATION_MANAGER: 1,
}


def grant(
    *, volunteer_id: UUID, role: Role, scope_type: ScopeType, scope_id: UUID, granted_by: UUID | None = None
) -> Grant:
    """Record that the volunteer holds the role over the scope from now on. Who may do so is judged by `grant_below`.

    Raises RoleDoesNotFit (a station_manager has a station, everybody else an organization) and AlreadyGranted.
    """
    _require_fit(role, scope_type)
    if db.session.scalar(queries.live_grant(volunteer_id, scope_type, scope_id, role)) is not None:
        raise AlreadyGranted()
    granted = Grant(
        volunteer_id=volunteer_id, role=role, scope_type=scope_type, scope_id=scope_id, granted_by=granted_by
    )
    db.session.add(granted)
    db.session.flush()
    return granted


def appoint(*, phone: str, role: Role, organization_id: UUID) -> GrantView:
    """Grant a role over an organization by the command line, to whoever has proved that the phone is hers.

    For a district's first administrator, and where the last one is gone: nobody in it could give the role. Raises
    NotFound, OrganizationClosed, VolunteerUnknown, AlreadyGranted.
    """
    place = db.session.execute(queries.place(ScopeType.ORGANIZATION, organization_id)).one_or_none()
    if place is None:
        raise NotFound()
    require_open(organization_id)
    volunteer = accounts.find_by_phone(phone)
    if volunteer is None:
        raise VolunteerUnknown()
    scope = Scope(type=ScopeType.ORGANIZATION, id=organization_id, name=place.name)
    return _given(volunteer, role, scope, organization_id, by=None)


def grant_below(
    *,
    by: Principal,
    role: Role,
    scope: Mapping[str, object],
    volunteer_id: UUID | None = None,
    phone: str | None = None,
) -> GrantView:
    """Grant a role below what `by` holds: a lower role over her scope, or a role not above hers further down.

    The administrator of a root, above whom is nobody, may give her own role there to somebody who is registered: so
    the post is handed over. She can't take it from anybody, and the other administrators hear of it.

    By phone, a grant to somebody who is not registered waits until she is; the answer is the same for both and has
    neither her id nor her name, so that it can't be used to find out whose phones are registered. `GET /grants` shows
    it to whoever manages the scope, for she must see who has rights there; thirty phones an hour, a record in the audit
    log and a notification to the person each time are what keeps that from being a way to search.

    Raises NotFound where her grants don't reach the scope, Forbidden where they do but not so far, VolunteerUnknown,
    AccountComesFirst, RoleDoesNotFit, OrganizationClosed, AlreadyGranted, TooManyRequests after thirty phones in an
    hour.
    """
    scope_type, scope_id = ScopeType(str(scope["type"])), UUID(str(scope["id"]))
    hands_over = _hands_over(by.volunteer_id, role, scope_type, scope_id)
    if not hands_over:
        require_above(by.volunteer_id, role, scope_type, scope_id)
    _require_fit(role, scope_type)
    place = db.session.execute(queries.place(scope_type, scope_id)).one()
    require_open(place.organization_id)
    shown = Scope(type=scope_type, id=scope_id, name=place.name)
    if phone is None:
        volunteer = db.session.get(Volunteer, volunteer_id)
        if volunteer is None or volunteer.erased_at is not None:
            raise VolunteerUnknown()
        given = _given(volunteer, role, shown, place.organization_id, by=by.volunteer_id)
        if hands_over:
            _tell_administrators(given.id, volunteer.id, shown, by=by.volunteer_id)
        return given
    digest = hold_phones([phone])[phone]
    known = accounts.look_up(phone, by=by)
    spend(PHONES_A_DAY, "grants by phone", who=str(by.volunteer_id))
    if hands_over and known is None:
        # No phone that anybody may prove hers one day is left waiting for all rights.
        raise AccountComesFirst()
    made = (
        _wait(phone, digest, role, shown, place.organization_id, by=by.volunteer_id)
        if known is None
        else _give(known.id, role, shown, place.organization_id, by=by.volunteer_id)
    )
    if hands_over and known is not None:
        _tell_administrators(made.id, known.id, shown, by=by.volunteer_id)
    grantee = Grantee(id=None, name=None, phone=accounts.masked_phone(phone))
    return GrantView(made.id, role, shown, grantee, made.created_at, None)


def revoke(grant_id: UUID, *, by: Principal) -> None:
    """Take a grant away, one's own included; it counts for nothing from the next request on.

    One that waits for a phone is taken back in the same way. Raises NotFound and Forbidden as `grant_below` does, and
    LastAdministrator. A grant that was taken away before is NotFound.
    """
    held = db.session.get(Grant, grant_id, with_for_update=True)
    if held is None:
        _revoke_pending(grant_id, by=by)
        return
    if held.revoked_at is not None:
        raise NotFound()
    if held.volunteer_id != by.volunteer_id:
        require_above(by.volunteer_id, Role(held.role), ScopeType(held.scope_type), held.scope_id)
    if held.role == Role.ADMINISTRATOR:
        _require_another_administrator(held)
    _end(held, actor_id=by.volunteer_id, reason="revoked")


def end_all_on(organization: Organization, *, into: Organization, actor_id: UUID | None) -> None:
    """End every grant that names this organization: it is merged. Its holders hear of it, and into which."""
    over_it = (Grant.scope_type == ScopeType.ORGANIZATION, Grant.scope_id == organization.id)
    for held in db.session.scalars(
        select(Grant).where(*over_it, Grant.revoked_at.is_(None)).order_by(Grant.id).with_for_update()
    ).all():
        _end(held, actor_id=actor_id, reason="merged", tell=False)
        _tell(MERGED, held, organization.name, into=into.name)
    for waiting in db.session.scalars(select(PendingGrant).where(PendingGrant.scope_id == organization.id)).all():
        _lapse(waiting, actor_id=actor_id, reason="merged")


def end_all_of(volunteer_id: UUID) -> None:
    """End every grant of somebody who is erased now, and forget those that wait for a phone in her name.

    No administrator is too important for that: the command line makes a new one.
    """
    for held in db.session.scalars(
        select(Grant).where(Grant.volunteer_id == volunteer_id, Grant.revoked_at.is_(None)).with_for_update()
    ).all():
        _end(held, actor_id=None, reason="erased", tell=False)
    for waiting in db.session.scalars(select(PendingGrant).where(PendingGrant.granted_by == volunteer_id)).all():
        _lapse(waiting, actor_id=None, reason="giver_erased")


def take_effect(*, volunteer_id: UUID, phone: str) -> None:
    """Give what waited for this phone to the person who proved it hers.

    A grant lapses where its giver could no longer give it, or its place is gone or closed; only the log says so.
    """
    digest = hold_phones([phone])[phone]
    for waiting in db.session.scalars(queries.pending_for(digest, clock.now())).all():
        place = db.session.execute(queries.place(waiting.scope_type, waiting.scope_id)).one_or_none()
        if place is not None and _still_good(waiting, place.organization_id, volunteer_id):
            scope = Scope(type=waiting.scope_type, id=waiting.scope_id, name=place.name)
            _give(volunteer_id, Role(waiting.role), scope, place.organization_id, by=waiting.granted_by)
            db.session.delete(waiting)
        else:
            _lapse(waiting, actor_id=None, reason="no_longer_possible")
    db.session.flush()


def forget_expired() -> int:
    """Delete the grants that waited for a phone in vain, a thousand at a time; returns how many."""
    over = select(PendingGrant).where(PendingGrant.expires_at <= clock.now()).order_by(PendingGrant.id)
    waiting = db.session.scalars(over.limit(MOST_AT_ONCE).with_for_update(skip_locked=True)).all()
    for one in waiting:
        _lapse(one, actor_id=None, reason="expired")
    return len(waiting)


def require_above(volunteer_id: UUID, role: Role, scope_type: ScopeType, scope_id: UUID) -> None:
    """Let pass who may give and take the role there. Raises NotFound, Forbidden. One statement."""
    reach = db.session.execute(queries.reach_over(volunteer_id, scope_type, scope_id)).all()
    if not reach:
        raise NotFound()
    for held_role, distance in reach:
        held = ROLE_PERMISSIONS[Role(held_role)]
        # Nobody gives, or takes, what she may not do herself: the audited neither appoints nor dismisses her auditor.
        may_grant = Permission.GRANT_MANAGE in held and ROLE_PERMISSIONS[role] <= held
        rank, held_rank = ROLE_RANKS[role], ROLE_RANKS[Role(held_role)]
        if may_grant and (rank < held_rank or (rank == held_rank and distance > 0)):
            return
    raise Forbidden()


def _hands_over(volunteer_id: UUID, role: Role, scope_type: ScopeType, scope_id: UUID) -> bool:
    """Whether it is the role of a root's administrator, given by one of them."""
    if role != Role.ADMINISTRATOR or scope_type != ScopeType.ORGANIZATION:
        return False
    organization = db.session.get(Organization, scope_id)
    if organization is None or organization.parent_id is not None:
        return False
    return db.session.scalar(queries.live_grant(volunteer_id, scope_type, scope_id, role)) is not None


def _tell_administrators(grant_id: UUID, volunteer_id: UUID, scope: Scope, *, by: UUID) -> None:
    """Let the other administrators hear of one more: who holds everything is no secret among them."""
    values = {"person_id": str(volunteer_id), "scope": scope.name, "scope_id": str(scope.id)}
    others = [one for one in administrators_near(scope.id) if one not in (volunteer_id, by)]
    notify_each(others, ONE_MORE, values, once=str(grant_id))


def _require_fit(role: Role, scope_type: ScopeType) -> None:
    if (role == Role.STATION_MANAGER) != (scope_type == ScopeType.STATION):
        raise RoleDoesNotFit(role=words.ROLES[role], scope_type=words.SCOPES[scope_type])


def _given(volunteer: Volunteer, role: Role, scope: Scope, organization_id: UUID, *, by: UUID | None) -> GrantView:
    granted = _give(volunteer.id, role, scope, organization_id, by=by)
    grantee = Grantee(id=volunteer.id, name=volunteer.name, phone=accounts.masked_phone(volunteer.phone))
    return GrantView(granted.id, role, scope, grantee, granted.created_at, "granted")


def _give(volunteer_id: UUID, role: Role, scope: Scope, organization_id: UUID, *, by: UUID | None) -> Grant:
    granted = grant(
        volunteer_id=volunteer_id, role=role, scope_type=ScopeType(scope.type), scope_id=scope.id, granted_by=by
    )
    audit.record(
        AuditAction.GRANTED,
        actor_id=by,
        subject_id=volunteer_id,
        organization_id=organization_id,
        **details_of(granted),
    )
    _tell(NotificationKind.GRANT_GIVEN, granted, scope.name)
    if scope.type == ScopeType.ORGANIZATION:
        events.publish(OrganizationGrantGiven(volunteer_id, role, scope.id))
    return granted


def _wait(phone: str, digest: bytes, role: Role, scope: Scope, organization_id: UUID, *, by: UUID) -> PendingGrant:
    now = clock.now()
    same = db.session.scalar(queries.same_pending(digest, scope.type, scope.id, role).with_for_update())
    if same is not None and same.expires_at > now:
        raise AlreadyGranted()
    if same is not None:
        db.session.delete(same)
        db.session.flush()
    waiting = pending_grant(phone, digest, role, scope, by=by)
    db.session.add(waiting)
    db.session.flush()
    audit.record(AuditAction.GRANTED, actor_id=by, organization_id=organization_id, pending=True, **details_of(waiting))
    return waiting


def pending_grant(phone: str, digest: bytes, role: Role, scope: Scope, *, by: UUID) -> PendingGrant:
    """A grant that waits for a phone from now on; not yet added."""
    return PendingGrant(
        id=ids.new_id(),
        phone_digest=digest,
        masked_phone=accounts.masked_phone(phone),
        role=role,
        scope_type=scope.type,
        scope_id=scope.id,
        granted_by=by,
        expires_at=clock.now() + timedelta(days=rules().pending_grant_days),
    )


def _still_good(waiting: PendingGrant, organization_id: UUID, volunteer_id: UUID) -> bool:
    scope_type, role = ScopeType(waiting.scope_type), Role(waiting.role)
    try:
        require_above(waiting.granted_by, role, scope_type, waiting.scope_id)
        require_open(organization_id)
    except (NotFound, Forbidden, OrganizationClosed):
        return False
    return db.session.scalar(queries.live_grant(volunteer_id, scope_type, waiting.scope_id, role)) is None


def _revoke_pending(grant_id: UUID, *, by: Principal) -> None:
    waiting = db.session.get(PendingGrant, grant_id, with_for_update=True)
    if waiting is None:
        raise NotFound()
    require_above(by.volunteer_id, Role(waiting.role), ScopeType(waiting.scope_type), waiting.scope_id)
    place = db.session.execute(queries.place(waiting.scope_type, waiting.scope_id)).one()
    audit.record(
        AuditAction.REVOKED,
        actor_id=by.volunteer_id,
        organization_id=place.organization_id,
        pending=True,
        **details_of(waiting),
    )
    db.session.delete(waiting)


def _lapse(waiting: PendingGrant, *, actor_id: UUID | None, reason: str) -> None:
    place = db.session.execute(queries.place(waiting.scope_type, waiting.scope_id)).one_or_none()
    audit.record(
        AuditAction.REVOKED,
        actor_id=actor_id,
        organization_id=place.organization_id if place is not None else None,
        pending=True,
        reason=reason,
        **details_of(waiting),
    )
    db.session.delete(waiting)


def _require_another_administrator(held: Grant) -> None:
    """Of two last administrators who go at the same moment, the second sees that the first is gone."""
    organization = db.session.get(Organization, held.scope_id, with_for_update={"key_share": True})
    if organization is None or organization.parent_id is not None or organization.closed_at is not None:
        return
    if db.session.scalar(queries.other_administrator(held)) is None:
        raise LastAdministrator()


def _end(held: Grant, *, actor_id: UUID | None, reason: str, tell: bool = True) -> None:
    held.revoked_at = clock.now()
    db.session.flush()
    place = db.session.execute(queries.place(held.scope_type, held.scope_id)).one()
    audit.record(
        AuditAction.REVOKED,
        actor_id=actor_id,
        subject_id=held.volunteer_id,
        organization_id=place.organization_id,
        reason=reason,
        **details_of(held),
    )
    if tell:
        _tell(NotificationKind.GRANT_REVOKED, held, place.name)


def _tell(kind: str, held: Grant, place_name: str, **values: str) -> None:
    notify_all([notice_of(kind, held, place_name, **values)])


def notice_of(kind: str, held: Grant, place_name: str, **values: str) -> Notice:
    """What the holder of a grant hears of it."""
    return Notice(
        volunteer_id=held.volunteer_id,
        kind=kind,
        values={
            "scope": place_name,
            "role": str(held.role),
            "scope_type": str(held.scope_type),
            "scope_id": str(held.scope_id),
            **values,
        },
        dedup_key=f"{kind}:{held.id}",
    )


def details_of(made: Grant | PendingGrant) -> dict[str, Any]:
    """What the audit log keeps of a grant."""
    return {
        "grant_id": str(made.id),
        "role": str(made.role),
        "scope_type": str(made.scope_type),
        "scope_id": str(made.scope_id),
    }


def hold_phones(phones: Collection[str]) -> dict[str, bytes]:
    """The phones' digests. A grant to one and its owner's registration at the same moment follow each other.

    One statement, in one order of the locks whoever asks for them.
    """
    digests = {phone: accounts.phone_digest(phone) for phone in phones}
    if digests and db.engine.dialect.name == "postgresql":
        numbers = sorted(int.from_bytes(digest[:8], "big", signed=True) for digest in digests.values())
        db.session.execute(
            text("SELECT pg_advisory_xact_lock(number) FROM unnest(CAST(:numbers AS bigint[])) AS number"),
            {"numbers": numbers},
        )
    return digests
