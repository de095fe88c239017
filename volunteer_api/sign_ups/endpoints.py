"""Routes of sign-ups."""

from typing import Any

from volunteer_api.activities.access import to_lead_shift
from volunteer_api.activities.models import Shift
from volunteer_api.core.access import Principal, signed_in
from volunteer_api.core.endpoint import REQUIRED, endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import page_of
from volunteer_api.sign_ups import access, queries, schemas, service
from volunteer_api.sign_ups.models import SignUp

blueprint = feature_blueprint("sign_ups", __name__, "Sign-ups for shifts, the waitlist")


@endpoint(
    blueprint,
    "POST",
    "/shifts/<uuid:shift_id>/sign-ups",
    access=access.to_sign_up,
    body=schemas.SignUpCreate,
    returns=schemas.SignUpRead,
    status=201,
    idempotency=REQUIRED,
)
def sign_up(principal: Principal, shift: Shift, body: dict[str, Any]) -> dict[str, Any]:
    """Sign yourself up for a shift."""
    made = service.sign_up(shift_id=shift.id, volunteer_id=principal.volunteer_id, **body)
    return queries.read_sign_up(made.id)


@endpoint(
    blueprint,
    "GET",
    "/shifts/<uuid:shift_id>/sign-ups",
    access=to_lead_shift,
    query=schemas.SignUpFilter,
    returns=page_of(schemas.SignUpRead),
)
def list_shift_sign_ups(shift: Shift, query: dict[str, Any]) -> Page:
    """List who signed up for a shift, in that order."""
    return queries.page_of_shift_sign_ups(shift, query)


@endpoint(blueprint, "GET", "/sign-ups/<uuid:sign_up_id>", access=access.to_see_sign_up, returns=schemas.SignUpRead)
def read_sign_up(sign_up: SignUp) -> dict[str, Any]:
    """Read a sign-up."""
    return queries.read_sign_up(sign_up.id)


@endpoint(
    blueprint,
    "POST",
    "/sign-ups/<uuid:sign_up_id>/withdrawal",
    access=access.to_withdraw,
    body=schemas.Withdrawal,
    returns=schemas.SignUpRead,
)
def withdraw_sign_up(sign_up: SignUp, body: dict[str, Any]) -> dict[str, Any]:
    """Take your sign-up back; whoever waits first gets the place."""
    withdrawn = service.withdraw(sign_up_id=sign_up.id, **body)
    return queries.read_sign_up(withdrawn.id)


@endpoint(
    blueprint,
    "GET",
    "/me/sign-ups",
    access=signed_in,
    query=schemas.SignUpFilter,
    returns=page_of(schemas.SignUpRead),
)
def list_own_sign_ups(principal: Principal, query: dict[str, Any]) -> Page:
    """List your own sign-ups, the latest shift first."""
    return queries.page_of_own_sign_ups(principal.volunteer_id, query)
