"""Who owns the catalogue. Call it inside a unit, when all organizations are set up."""

from uuid import UUID

from sqlalchemy import select

from tests.factories import make_volunteer
from tests.organizations.factories import make_grant
from volunteer_api.core.database import db
from volunteer_api.organizations.models import Organization, Role


def make_owner() -> UUID:
    """The id of somebody who organizes every root, and so all organizations."""
    owner = make_volunteer(name="总负责人")
    for root_id in db.session.scalars(select(Organization.id).where(Organization.parent_id.is_(None))).all():
        make_grant(owner, Role.ORGANIZER, root_id)
    return owner.id
