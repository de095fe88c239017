"""The payloads of the inbox, of push subscriptions and of preferences."""

from typing import Any

from marshmallow import fields, post_load, validates_schema

from volunteer_api.core.schema import (
    Choice,
    Flag,
    FlagParameter,
    Form,
    Id,
    ListOf,
    Moment,
    Nested,
    Open,
    PageQuery,
    Schema,
    Text,
    fault,
)
from volunteer_api.notifications.groups import SWITCHABLE
from volunteer_api.notifications.providers.base import ProviderName

TOKEN = Form(r"[A-Za-z0-9_.:-]+", "190e35f7e0d5a2b1c3d")
BASE64URL = Form(r"[A-Za-z0-9_-]+={0,2}", "BNcRdreALRFXTkOO")
CLOCK_TIME = Form(r"([01]\d|2[0-3]):[0-5]\d", "22:00")


class NotificationFilter(PageQuery):
    unread = FlagParameter()


class NotificationRead(Schema):
    """`kind` is a stable word, like hours_credited; there will be new ones.

    `values` are what the sentence was made of, for what the app opens on a tap.
    """

    id = Id(required=True)
    kind = Text(
        max_length=40, required=True, metadata={"description": "One of those at `/docs/problems#notifications`."}
    )
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


class WebPushKeys(Schema):
    """What a browser's subscription has as its keys, in base64url."""

    p256dh = Text(max_length=100, form=BASE64URL, required=True)
    auth = Text(max_length=40, form=BASE64URL, required=True)


class PushSubscriptionUpdate(Schema):
    """`endpoint` and `keys` for webpush, as the browser gave them; `token` for the others (JPush: registration ID)."""

    provider = Choice(ProviderName, required=True)
    token = Text(max_length=200, form=TOKEN)
    endpoint = Text(max_length=2000)
    keys = Nested(WebPushKeys)

    @validates_schema
    def check_address(self, data: dict[str, Any], **_options: Any) -> None:
        """Each provider has its own kind of address, and only that."""
        wanted = {"endpoint", "keys"} if data["provider"] is ProviderName.WEBPUSH else {"token"}
        if data.keys() - {"provider"} != wanted:
            raise fault("address", "Give endpoint and keys for webpush, and token alone for any other provider.")


class PushSubscriptionRead(Schema):
    """That a device hears of news, since when, and in which language; never at which address."""

    device_id = Text(required=True)
    provider = Choice(ProviderName, required=True)
    language = Text(required=True)
    created_at = Moment(required=True)


class QuietHoursFields(Schema):
    """Hours of the local day, over midnight where `to` is the earlier one."""

    from_time = Text(data_key="from", attribute="from", max_length=5, form=CLOCK_TIME, required=True)
    to_time = Text(data_key="to", attribute="to", max_length=5, form=CLOCK_TIME, required=True)

    @validates_schema
    def check_length(self, data: dict[str, Any], **_options: Any) -> None:
        """The same time twice could be a whole day or nothing."""
        if data["from"] == data["to"]:
            raise fault("no_time", "Quiet hours begin and end at different times.", "to")


PushGroups = Schema.from_dict({group.value: Flag() for group in SWITCHABLE}, name="PushGroups")


class PreferencesUpdate(Schema):
    """The whole: a group that `push` does not name is pushed; `quiet_hours` are null where a push never waits."""

    push = Nested(PushGroups, required=True)
    quiet_hours = Nested(QuietHoursFields, required=True, allow_none=True)
    providers = fields.Raw(
        metadata={"readOnly": True, "description": "May be put back as it was read; it changes nothing."}
    )

    @post_load
    def leave_providers(self, data: dict[str, Any], **_options: Any) -> dict[str, Any]:
        return {name: value for name, value in data.items() if name != "providers"}


class PushProviderRead(Schema):
    """`public_key` is what a browser takes as its `applicationServerKey`; null where no key is needed."""

    name = Choice(ProviderName, required=True)
    public_key = Text(required=True, allow_none=True)


class PreferencesRead(Schema):
    """Groups of kinds, and whether their news is pushed; what concerns the account's security always is.

    `providers` are those by which a device can subscribe here.
    """

    push = Nested(PushGroups, required=True)
    quiet_hours = Nested(QuietHoursFields, required=True, allow_none=True)
    providers = ListOf(Nested(PushProviderRead), required=True)
