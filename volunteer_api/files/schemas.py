"""Payloads of files."""

from volunteer_api.core.schema import Count, Id, ListOf, Nested, Schema, Text

ADDRESS = {"description": "Whoever knows it may see the photo; it never changes and can't be guessed."}


class ThumbnailRead(Schema):
    width = Count(required=True)
    height = Count(required=True)
    url = Text(required=True, max_length=2000, metadata=ADDRESS)


class FileRead(Schema):
    id = Id(required=True)
    url = Text(required=True, max_length=2000, metadata=ADDRESS)
    width = Count(required=True, metadata={"description": "In pixels, after turning and shrinking."})
    height = Count(required=True)
    byte_size = Count(required=True)
    media_type = Text(required=True)
    thumbnails = ListOf(Nested(ThumbnailRead), required=True, metadata={"description": "Smallest first."})
