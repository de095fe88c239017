"""Routes of disputes."""

from typing import Any

from volunteer_api.core.access import Principal, signed_in
from volunteer_api.core.endpoint import endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import page_of
from volunteer_api.disputes import access, decisions, queries, schemas, service
from volunteer_api.disputes.models import Dispute

blueprint = feature_blueprint("disputes", __name__, "Disputes about recorded, held and missing service")


@endpoint(
    blueprint,
    "POST",
    "/disputes",
    access=signed_in,
    body=schemas.DisputeCreate,
    returns=schemas.DisputeRead,
    status=201,
)
def file_dispute(principal: Principal, body: dict[str, Any]) -> dict[str, Any]:
    """Dispute a service record or an attendance of yours, or that nothing is recorded of a shift."""
    made = service.file(by=principal, **body)
    return _read(principal, made)


@endpoint(
    blueprint,
    "GET",
    "/disputes",
    access=signed_in,
    query=schemas.DisputeFilter,
    returns=page_of(schemas.DisputeSummaryRead),
)
def list_disputes(principal: Principal, query: dict[str, Any]) -> Page:
    """List your own disputes and those that you may decide on or confirm: the open ones first, by when they are due."""
    return queries.page_of_disputes(query, principal.volunteer_id)


@endpoint(blueprint, "GET", "/disputes/<uuid:dispute_id>", access=access.to_see, returns=schemas.DisputeRead)
def read_dispute(principal: Principal, dispute: Dispute) -> dict[str, Any]:
    """Read a dispute with its trail."""
    return _read(principal, dispute)


@endpoint(
    blueprint,
    "POST",
    "/disputes/<uuid:dispute_id>/questions",
    access=access.to_decide,
    body=schemas.DisputeWordsCreate,
    returns=schemas.DisputeRead,
)
def ask_in_dispute(principal: Principal, dispute: Dispute, body: dict[str, Any]) -> dict[str, Any]:
    """Ask who filed a dispute for evidence."""
    service.ask(dispute, by=principal.volunteer_id, **body)
    return _read(principal, dispute)


@endpoint(
    blueprint,
    "POST",
    "/disputes/<uuid:dispute_id>/answers",
    access=access.to_answer,
    body=schemas.DisputeWordsCreate,
    returns=schemas.DisputeRead,
)
def answer_in_dispute(principal: Principal, dispute: Dispute, body: dict[str, Any]) -> dict[str, Any]:
    """Say something to your dispute."""
    service.answer(dispute, by=principal.volunteer_id, **body)
    return _read(principal, dispute)


@endpoint(
    blueprint,
    "POST",
    "/disputes/<uuid:dispute_id>/confirmation",
    access=access.to_confirm,
    body=schemas.ServiceConfirmation,
    returns=schemas.DisputeRead,
)
def confirm_service(principal: Principal, dispute: Dispute, body: dict[str, Any]) -> dict[str, Any]:
    """Confirm service that nobody recorded; somebody else decides then."""
    service.confirm(dispute, by=principal.volunteer_id, **body)
    return _read(principal, dispute)


@endpoint(
    blueprint,
    "POST",
    "/disputes/<uuid:dispute_id>/decision",
    access=access.to_decide,
    body=schemas.DisputeDecisionCreate,
    returns=schemas.DisputeRead,
)
def decide_dispute(principal: Principal, dispute: Dispute, body: dict[str, Any]) -> dict[str, Any]:
    """Decide a dispute; what it gives is in the ledger at once."""
    decisions.decide(dispute, by=principal.volunteer_id, **body)
    return _read(principal, dispute)


@endpoint(
    blueprint,
    "POST",
    "/disputes/<uuid:dispute_id>/withdrawal",
    access=access.to_answer,
    returns=schemas.DisputeRead,
)
def withdraw_dispute(principal: Principal, dispute: Dispute) -> dict[str, Any]:
    """Take your dispute back."""
    service.withdraw(dispute, by=principal.volunteer_id)
    return _read(principal, dispute)


def _read(principal: Principal, dispute: Dispute) -> dict[str, Any]:
    return queries.read(dispute.id) | {
        "can_decide": access.may_decide(principal, dispute),
        "can_confirm": access.may_confirm(principal, dispute),
    }
