"""The payloads of the inbox."""

from typing import Any

from marshmallow import validates_schema

from volunteer_api.core.schema import FlagParameter, Id, ListOf, Moment, Open, PageQuery, Schema, Text, fault


class NotificationFilter(PageQuery):
    unread = FlagParameter()


class NotificationRead(Schema):
    """`kind` is a stable word, like hours_credited; there will be new ones.

    `values` are what the sentence was made of, for what the app opens on a tap.
    """

    id = Id(required=True)
    kind = Text(max_length=40, required=True)
    title = Text(required=True)
    body = Text(max_length=2000, required=True)
    values = Open(required=True)
    created_at = Moment(required=True)
    read_at = Moment(required=True, allow_none=True)


class ReadMark(Schema):
    """Either `ids` or `until`."""

    ids = ListOf(Id(), max_length=100, min_length=1)
    until = Moment()

    @validates_schema
    def check_one(self, data: dict[str, Any], **_options: Any) -> None:
        """Exactly one of the two says what was read."""
        if len(data) != 1:
            raise fault("one_of", "Give either ids or until.")
