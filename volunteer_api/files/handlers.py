"""What files tell other features."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from volunteer_api.core.personal_data import exported
from volunteer_api.files import queries


@exported("files")
def export_files(volunteer_id: UUID) -> Sequence[Mapping[str, Any]]:
    """The photos that the person sent: their addresses and sizes in pixels and bytes."""
    return [
        {
            "id": stored.id,
            "url": queries.url_of(stored.name),
            "media_type": stored.media_type,
            "width": stored.width,
            "height": stored.height,
            "byte_size": stored.byte_size,
            "sent_at": stored.created_at,
        }
        for stored in queries.files_of(volunteer_id)
    ]
