"""Routes of files."""

from volunteer_api.core.access import Principal
from volunteer_api.core.downloads import Download
from volunteer_api.core.endpoint import endpoint, feature_blueprint
from volunteer_api.files import access, images, intake, schemas, service
from volunteer_api.files.intake import KeptPhoto
from volunteer_api.files.queries import FileView, FoundFile

blueprint = feature_blueprint("files", __name__, "Photos that people send")


@endpoint(
    blueprint,
    "POST",
    "/files",
    access=access.with_room,
    upload=True,
    prepare=intake.receive,
    returns=schemas.FileRead,
    status=201,
    limit="600/10 minutes",
)
def upload_file(principal: Principal, upload: KeptPhoto) -> FileView:
    """Send a photo (JPEG, PNG or WebP, up to 10 MiB and 40 million pixels); use it within a week, or it is deleted."""
    return service.upload(photo=upload, by=principal)


@endpoint(blueprint, "GET", "/files/<string:name>", access=access.by_name, produces=images.MEDIA_TYPE)
def read_file(found: FoundFile) -> Download:
    """Read a photo or thumbnail by its address."""
    return service.read_file(found)
