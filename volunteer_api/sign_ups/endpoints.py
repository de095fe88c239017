"""Routes of sign-ups."""

from typing import Any

from volunteer_api.activities.access import to_lead, to_lead_shift
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.core.access import Principal, signed_in
from volunteer_api.core.downloads import XLSX, Download
from volunteer_api.core.endpoint import REQUIRED, endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import page_of
from volunteer_api.sign_ups import access, exports, queries, schemas, service, several, stand_ins
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
def sign_up(principal: Principal, opening: access.Opening, body: dict[str, Any]) -> dict[str, Any]:
    """Sign yourself up for a shift, or ask somebody to take part."""
    by, how = principal.volunteer_id, {name: body.get(name) for name in ("team_id", "role_id")}
    whom = queries.named_in(body, by)
    leading = access.require_word_for(principal, opening.activity.id, team_id=how["team_id"], others=[whom])
    made = service.sign_up_or_invite(by=by, leading=leading, shift_id=opening.shift.id, whom=whom, **how)
    return queries.read_made(made, opening.shift, opening.activity)


@endpoint(
    blueprint,
    "POST",
    "/activities/<uuid:activity_id>/sign-ups",
    access=access.to_sign_up_for_activity,
    body=schemas.SignUpsCreate,
    returns=schemas.SignUpResults,
    idempotency=REQUIRED,
)
def sign_up_several(principal: Principal, activity: Activity, body: dict[str, Any]) -> dict[str, Any]:
    """Sign yourself up for several shifts, or ask several people or a whole team; a result per person and shift."""
    others = None if body.get("whole_team") else body.get("volunteer_ids", ())
    leading = access.require_word_for(principal, activity.id, team_id=body.get("team_id"), others=others)
    found = several.sign_up_several(by=principal.volunteer_id, leading=leading, activity=activity, **body)
    return several.results_view(found, by=principal.volunteer_id, leading=leading)


@endpoint(
    blueprint,
    "POST",
    "/activities/<uuid:activity_id>/sign-ups/withdrawal",
    access=access.to_sign_up_for_activity,
    body=schemas.WithReason,
    returns=schemas.WithdrawalResults,
)
def withdraw_all(principal: Principal, activity: Activity, body: dict[str, Any]) -> dict[str, Any]:
    """Take back all of your sign-ups for an activity's shifts that are not over; a result for each."""
    found = several.withdraw_all(activity_id=activity.id, volunteer_id=principal.volunteer_id, **body)
    return several.withdrawals_view(found)


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


@endpoint(
    blueprint,
    "GET",
    "/activities/<uuid:activity_id>/sign-ups.xlsx",
    access=to_lead,
    query=schemas.ExportQuery,
    produces=XLSX,
    audits=True,
    limit="30/10 minutes",
)
def export_sign_ups(principal: Principal, activity: Activity, query: dict[str, Any]) -> Download:
    """Fetch who signed up for an activity as a workbook, shift by shift, phones masked; it is recorded."""
    return exports.export_sign_ups(activity, query, by=principal)


@endpoint(blueprint, "GET", "/sign-ups/<uuid:sign_up_id>", access=access.to_see_sign_up, returns=schemas.SignUpRead)
def read_sign_up(sign_up: SignUp) -> dict[str, Any]:
    """Read a sign-up."""
    return queries.read_sign_up(sign_up.id)


@endpoint(
    blueprint,
    "POST",
    "/sign-ups/<uuid:sign_up_id>/withdrawal",
    access=access.to_answer,
    body=schemas.WithReason,
    returns=schemas.SignUpRead,
)
def withdraw_sign_up(sign_up: SignUp, body: dict[str, Any]) -> dict[str, Any]:
    """Take your sign-up back; whoever waits first gets the place."""
    withdrawn = service.withdraw(sign_up_id=sign_up.id, **body)
    return queries.read_sign_up(withdrawn.id)


@endpoint(
    blueprint,
    "POST",
    "/sign-ups/<uuid:sign_up_id>/acceptance",
    access=access.to_answer,
    body=schemas.Acceptance,
    returns=schemas.SignUpRead,
)
def accept_sign_up(sign_up: SignUp, body: dict[str, Any]) -> dict[str, Any]:
    """Say yes to an invitation, to a place that you are offered, or to a shift that was moved."""
    accepted = service.accept(sign_up_id=sign_up.id, names_team="team_id" in body, **body)
    return queries.read_sign_up(accepted.id)


@endpoint(
    blueprint,
    "POST",
    "/sign-ups/<uuid:sign_up_id>/decline",
    access=access.to_answer,
    body=schemas.WithReason,
    returns=schemas.SignUpRead,
)
def decline_sign_up(sign_up: SignUp, body: dict[str, Any]) -> dict[str, Any]:
    """Say no to what you were asked; it is never late."""
    declined = service.decline(sign_up_id=sign_up.id, **body)
    return queries.read_sign_up(declined.id)


@endpoint(
    blueprint,
    "POST",
    "/sign-ups/<uuid:sign_up_id>/approval",
    access=access.to_decide,
    body=schemas.WithReason,
    returns=schemas.SignUpRead,
)
def approve_sign_up(principal: Principal, sign_up: SignUp, body: dict[str, Any]) -> dict[str, Any]:
    """Let somebody who asked take part, or give somebody who waits a free place out of turn."""
    approved = service.approve(sign_up_id=sign_up.id, by=principal.volunteer_id, **body)
    return queries.read_sign_up(approved.id)


@endpoint(
    blueprint,
    "POST",
    "/sign-ups/<uuid:sign_up_id>/rejection",
    access=access.to_decide,
    body=schemas.WithReason,
    returns=schemas.SignUpRead,
)
def reject_sign_up(principal: Principal, sign_up: SignUp, body: dict[str, Any]) -> dict[str, Any]:
    """Turn a request down, take somebody out of a shift that has not begun, or an invitation back (`withdrawn`)."""
    rejected = service.reject(sign_up_id=sign_up.id, by=principal.volunteer_id, **body)
    return queries.read_sign_up(rejected.id)


@endpoint(
    blueprint,
    "POST",
    "/sign-ups/<uuid:sign_up_id>/stand-in",
    access=access.to_answer,
    body=schemas.StandInCreate,
    returns=schemas.SignUpRead,
    status=201,
)
def offer_place(sign_up: SignUp, body: dict[str, Any]) -> dict[str, Any]:
    """Offer your confirmed place to somebody, who may take it; an earlier offer ends."""
    offered = stand_ins.offer(sign_up_id=sign_up.id, **body)
    return queries.read_sign_up(offered.id)


@endpoint(blueprint, "DELETE", "/sign-ups/<uuid:sign_up_id>/stand-in", access=access.to_answer, status=204)
def take_offer_back(sign_up: SignUp) -> None:
    """Take the open offer of your place back."""
    stand_ins.take_back(sign_up_id=sign_up.id)


@endpoint(
    blueprint,
    "GET",
    "/me/sign-ups",
    access=signed_in,
    query=schemas.SignUpFilter,
    returns=page_of(schemas.SignUpRead),
)
def list_own_sign_ups(principal: Principal, query: dict[str, Any]) -> Page:
    """List your own sign-ups, the latest shift first; by state pending, invited or waitlisted, of shifts not over."""
    return queries.page_of_own_sign_ups(principal.volunteer_id, query)
