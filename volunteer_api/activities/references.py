"""What an activity refers to: it must be there, and belong to an organization above or below the activity's own.

An activity counts for its team, station and campaign: a stranger must not be able to credit theirs with it.
"""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, or_, select, union_all

from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities import queries
from volunteer_api.activities.models import Activity, Campaign
from volunteer_api.core.database import db
from volunteer_api.core.problems import InvalidPayload
from volunteer_api.core.schema import Fault, error_list
from volunteer_api.organizations.models import Organization, PathMember
from volunteer_api.organizations.queries import ancestor_ids
from volunteer_api.qualifications.models import Training
from volunteer_api.stations.models import Station
from volunteer_api.teams.models import Team
from volunteer_api.teams.service import require_open

Owned = type[Team] | type[Station] | type[Campaign] | type[Training]
OF_ONE_BRANCH: dict[str, Owned] = {"team_id": Team, "station_id": Station, "campaign_id": Campaign}
TRAININGS_ELSEWHERE = (
    "The pattern asks for %(trainings)s, of an organization that is neither above nor below this one. "
    "Name trainings of yours instead, or [] for none."
)
UNKNOWN_REFERENCE = "This is unknown, or its organization is neither above nor below the activity's."


def require_known(organization_id: UUID, references: Mapping[str, Any], *, held: Activity | None = None) -> None:
    """Raise InvalidPayload (422) for what does not exist or belongs to an organization on another branch.

    Raises TeamClosed (409) for a team that is closed, or closes at this moment: nobody of it would lead. What the
    activity `held` has already stands: a phone sends all of it back, though one is closed or was moved elsewhere since.
    """
    faults: dict[str, list[Fault]] = {}
    named = {
        name: references[name]
        for name in OF_ONE_BRANCH
        if references.get(name) not in (None, getattr(held, name, None))
    }
    for name in sorted(set(named) - on_one_branch(organization_id, named)):
        faults[name] = [Fault("unknown_reference", UNKNOWN_REFERENCE)]
    training_ids = set(references.get("required_training_ids") or ())
    if held is not None:
        training_ids -= set(map(UUID, held.required_training_ids))
    if training_ids != trainings_on_one_branch(organization_id, training_ids):
        faults["required_training_ids"] = [Fault("unknown_reference", UNKNOWN_REFERENCE)]
    leader_ids = set(references.get("leader_ids") or ())
    there = select(func.count()).where(Volunteer.id.in_(leader_ids), Volunteer.erased_at.is_(None))
    found = db.session.scalar(there) if leader_ids else 0
    if found != len(leader_ids):
        faults["leader_ids"] = [Fault("unknown_reference", "One of these is no volunteer.")]
    partner_ids = set(references.get("co_organizer_ids") or ())
    if partner_ids and held is not None:
        partner_ids -= queries.partner_ids_of(held.id)
    if partner_ids and len(queries.open_organizations(partner_ids)) != len(partner_ids):
        faults["co_organizer_ids"] = [Fault("unknown_reference", "One of these is no organization, or is closed.")]
    if faults:
        raise InvalidPayload(error_list(faults))
    if "team_id" in named:
        require_open(named["team_id"])


def on_one_branch(organization_id: UUID, named: Mapping[str, UUID | None]) -> set[str]:
    """The names of those that are there, with an organization above or below this one. One statement, or none."""
    looks = []
    for name, referred_id in named.items():
        if referred_id is not None:
            model = OF_ONE_BRANCH[name]
            looks.append(select(literal(name)).where(model.id == referred_id, _is_related(model, organization_id)))
    return set(db.session.scalars(union_all(*looks) if len(looks) > 1 else looks[0])) if looks else set()


def trainings_on_one_branch(organization_id: UUID, training_ids: Collection[UUID]) -> set[UUID]:
    """Those of the trainings that are of an organization above or below this one. One statement, or none."""
    if not training_ids:
        return set()
    there = select(Training.id).where(Training.id.in_(training_ids), _is_related(Training, organization_id))
    return set(db.session.scalars(there))


def require_own_trainings(organization_id: UUID, training_ids: Collection[UUID]) -> None:
    """Raise InvalidPayload (422), with their names, for trainings of a pattern that are of another branch."""
    elsewhere = set(training_ids) - trainings_on_one_branch(organization_id, training_ids)
    if not elsewhere:
        return
    names = db.session.scalars(select(Training.name).where(Training.id.in_(elsewhere)).order_by(Training.name)).all()
    fault = Fault("trainings_of_another_branch", TRAININGS_ELSEWHERE, trainings=", ".join(names))
    raise InvalidPayload(error_list({"required_training_ids": [fault]}))


def _is_related(model: Owned, organization_id: UUID) -> ColumnElement[bool]:
    owner_id = model.organization_id
    below = (
        select(PathMember.ancestor_id)
        .join(Organization, Organization.path_id == PathMember.path_id)
        .where(Organization.id == owner_id)
        .correlate(model)
    )
    return or_(owner_id.in_(ancestor_ids(organization_id)), literal(organization_id).in_(below))
