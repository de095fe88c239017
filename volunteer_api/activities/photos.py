"""Photos of activities: what is planned, and what came of it."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select

from volunteer_api.activities.models import ActivityPhoto, PhotoOf
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.problems import InvalidPayload, NotFound
from volunteer_api.core.schema import Fault, error_list
from volunteer_api.files.service import load_own_files
from volunteer_api.files.uses import register_use

register_use("activities.photos", lambda: select(ActivityPhoto.file_id))


def copy(from_id: UUID, to_id: UUID) -> None:
    """Let an activity show what is planned by the photos of another."""
    found = select(ActivityPhoto.position, ActivityPhoto.file_id).where(
        ActivityPhoto.activity_id == from_id, ActivityPhoto.shows == PhotoOf.PLAN
    )
    db.session.add_all(
        [
            ActivityPhoto(activity_id=to_id, shows=PhotoOf.PLAN, position=row.position, file_id=row.file_id)
            for row in db.session.execute(found)
        ]
    )


def replace(activity_id: UUID, shows: PhotoOf, file_ids: Sequence[UUID], *, by: Principal) -> None:
    """Let the activity show these photos, in this order, in place of the former ones.

    New ones must be photos that `by` sent (InvalidPayload, 422); those that it shows already may be another's.
    """
    wanted = list(dict.fromkeys(file_ids))
    shown = set(
        db.session.scalars(
            select(ActivityPhoto.file_id).where(ActivityPhoto.activity_id == activity_id, ActivityPhoto.shows == shows)
        )
    )
    try:
        load_own_files(by, [one for one in wanted if one not in shown])
    except NotFound as error:
        fault = Fault("photo_unknown", "One of the photos is no picture that you sent.")
        raise InvalidPayload(error_list({"photo_ids": [fault]})) from error
    db.session.execute(
        delete(ActivityPhoto).where(ActivityPhoto.activity_id == activity_id, ActivityPhoto.shows == shows)
    )
    db.session.add_all(
        [
            ActivityPhoto(activity_id=activity_id, shows=shows, position=position, file_id=file_id)
            for position, file_id in enumerate(wanted)
        ]
    )
