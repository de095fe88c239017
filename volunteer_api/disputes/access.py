"""Who sees disputes, answers in them and decides on them."""

from uuid import UUID

from sqlalchemy import select

from volunteer_api.core.access import Principal, for_signed_in
from volunteer_api.core.database import db
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.disputes import parties, queries
from volunteer_api.disputes.models import Dispute, DisputeState
from volunteer_api.disputes.problems import NotYourAnswer, OwnDispute
from volunteer_api.organizations.access import Permission, can, require


@for_signed_in
def to_see(principal: Principal, dispute_id: UUID) -> Dispute:
    """Who filed it, those who lead the activity or manage the duty's station, and whoever has hours.review over the
    organization."""
    return _seen(principal, dispute_id)


@for_signed_in
def to_answer(principal: Principal, dispute_id: UUID) -> Dispute:
    """Only who filed it (403 for the others who see it)."""
    dispute = _seen(principal, dispute_id)
    if dispute.volunteer_id != principal.volunteer_id:
        raise NotYourAnswer()
    return dispute


@for_signed_in
def to_confirm(principal: Principal, dispute_id: UUID) -> Dispute:
    """Those who lead the activity or manage the duty's station, by name or from above; nobody her own (403)."""
    dispute = _seen(principal, dispute_id)
    if dispute.volunteer_id == principal.volunteer_id:
        raise OwnDispute()
    return dispute


@for_signed_in
def to_decide(principal: Principal, dispute_id: UUID) -> Dispute:
    """Whoever has hours.review over the organization; that she has no part in what is disputed, the service judges."""
    dispute = _seen(principal, dispute_id)
    if dispute.volunteer_id == principal.volunteer_id:
        raise OwnDispute()
    if not can(principal.volunteer_id, Permission.HOURS_REVIEW, organization_id=dispute.organization_id):
        raise Forbidden()
    return dispute


def may_decide(principal: Principal, dispute: Dispute) -> bool:
    """Whether the caller could decide on the dispute now."""
    return (
        dispute.state == DisputeState.OPEN
        and dispute.volunteer_id != principal.volunteer_id
        and can(principal.volunteer_id, Permission.HOURS_REVIEW, organization_id=dispute.organization_id)
        and principal.volunteer_id not in parties.parties_to(dispute)
    )


def may_confirm(principal: Principal, dispute: Dispute) -> bool:
    """Whether the caller, who sees the dispute, could vouch for the service now, or say it again: nobody else has."""
    return (
        dispute.state == DisputeState.OPEN
        and dispute.volunteer_id != principal.volunteer_id
        and dispute.confirmed_by in (None, principal.volunteer_id)
        and queries.subject_of(dispute).frame is not None
    )


def _seen(principal: Principal, dispute_id: UUID) -> Dispute:
    dispute = db.session.get(Dispute, dispute_id)
    if dispute is None:
        raise NotFound()
    if dispute.volunteer_id == principal.volunteer_id or _witnesses(principal, dispute):
        return dispute
    require(principal, Permission.HOURS_REVIEW, organization_id=dispute.organization_id)
    return dispute


def _witnesses(principal: Principal, dispute: Dispute) -> bool:
    mine = select(Dispute.id).where(Dispute.id == dispute.id, queries.witnessed_by(principal.volunteer_id))
    return db.session.scalar(mine) is not None
