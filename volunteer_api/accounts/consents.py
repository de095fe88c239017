"""What somebody consents to, in which version, since when; what is withdrawn is kept as proof [PIPL 14, 15]."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.accounts import queries, resident_ids
from volunteer_api.accounts.consent_texts import ConsentKind
from volunteer_api.accounts.events import ConsentWithdrawn
from volunteer_api.accounts.models import Consent
from volunteer_api.accounts.problems import GuardianMustConsent, NamedWhenOfAge
from volunteer_api.core import audit, clock, events
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.statements import among


def has(volunteer_id: UUID, kind: ConsentKind) -> bool:
    """Whether somebody consents to this kind now."""
    return queries.has_consent(volunteer_id, kind)


def consenting(volunteer_ids: Collection[UUID], kind: ConsentKind) -> set[UUID]:
    """Who of them consents to this kind now."""
    live = select(Consent.volunteer_id).where(
        among(Consent.volunteer_id, volunteer_ids), Consent.kind == kind, Consent.withdrawn_at.is_(None)
    )
    return set(db.session.scalars(live))


def give(volunteer_id: UUID, *, kind: str, version: str) -> None:
    """Write that this volunteer consents; nothing may be live of this kind."""
    db.session.add(Consent(volunteer_id=volunteer_id, kind=kind, version=version, given_at=clock.now()))


def give_anew(volunteer_id: UUID, *, kind: ConsentKind, version: str) -> None:
    """Write that this volunteer consents now, in the place of what was live of this kind."""
    live = db.session.scalar(_live(volunteer_id).where(Consent.kind == kind))
    if live is not None:
        live.withdrawn_at = clock.now()
        db.session.flush()
    give(volunteer_id, kind=kind, version=version)
    db.session.flush()


def withdraw(volunteer_id: UUID, kind: ConsentKind) -> None:
    """Write that this volunteer takes this consent back; nothing where there is none."""
    live = db.session.scalar(_live(volunteer_id).where(Consent.kind == kind))
    if live is not None:
        live.withdrawn_at = clock.now()
        db.session.flush()
        events.publish(ConsentWithdrawn(volunteer_id, kind))


def set_consents(volunteer_id: UUID, *, consents: Sequence[Mapping[str, str]]) -> None:
    """Let `consents` [{kind, version}] be what this volunteer consents to; what is not named is withdrawn.

    A stored resident ID goes with its consent, and so do places that were kept. The guardian's consent is the
    guardian's: it is neither given nor withdrawn here. Raises (409) GuardianMustConsent where it is named without
    having been given, NamedWhenOfAge where a minor would be named in rankings, PhoneNeeded where the stored number
    would go with its consent from an account without a phone.
    """
    wanted = {(consent["kind"], consent["version"]): consent for consent in consents}
    live = {consent.kind: consent for consent in db.session.scalars(_live(volunteer_id))}
    guardian = [key for key in wanted if key[0] == ConsentKind.GUARDIAN]
    if guardian and ConsentKind.GUARDIAN not in live:
        raise GuardianMustConsent()
    for key in guardian:
        del wanted[key]
    volunteer = queries.volunteer_by_id(volunteer_id)
    allowed_from = queries.naming_from(volunteer)
    if allowed_from is not None and any(kind == ConsentKind.RANKING_NAME for kind, _ in wanted):
        raise NamedWhenOfAge(members={"available_from": allowed_from.isoformat()}, day=allowed_from.isoformat())
    withdrawn = []
    for kind, consent in live.items():
        if wanted.pop((kind, consent.version), None) is None and kind != ConsentKind.GUARDIAN:
            consent.withdrawn_at = clock.now()
            withdrawn.append(kind)
    # The old version must be withdrawn before the new one is given: only one of a kind is live.
    db.session.flush()
    for kind, version in wanted:
        give(volunteer_id, kind=kind, version=version)
    db.session.flush()
    given = sorted(kind for kind, _ in wanted)
    if ConsentKind.RESIDENT_ID in withdrawn and ConsentKind.RESIDENT_ID not in given:
        resident_ids.remove(volunteer_id)
    for kind in withdrawn:
        if kind not in given:
            events.publish(ConsentWithdrawn(volunteer_id, kind))
    if given or withdrawn:
        audit.record(
            AuditAction.CONSENTS_CHANGED,
            actor_id=volunteer_id,
            subject_id=volunteer_id,
            given=",".join(given),
            withdrawn=",".join(sorted(withdrawn)),
        )


def _live(volunteer_id: UUID) -> Any:
    return (
        select(Consent)
        .where(Consent.volunteer_id == volunteer_id, Consent.withdrawn_at.is_(None))
        .order_by(Consent.kind)
        .with_for_update()
    )
