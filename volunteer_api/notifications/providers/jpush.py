"""极光 JPush (Push API v3): one call, which it hands on to Huawei, Xiaomi, OPPO, vivo, Meizu, Honor or Apple.

https://docs.jiguang.cn/jpush/server/push/rest_api_v3_push
"""

import base64
from collections.abc import Mapping
from typing import Any

import orjson

from volunteer_api.config import PushSettings, Settings
from volunteer_api.core import clock
from volunteer_api.notifications.providers import transport
from volunteer_api.notifications.providers.base import Blame, Gone, Message, NotTaken

ADDRESS = "https://api.jpush.cn"
PATH = "/v3/push"
# Longer than ten days JPush keeps nothing.
LONGEST_SECONDS = 10 * 86400
# Of its errors: there is no device with this registration ID, or none that was seen in the last 255 days.
NO_DEVICE = 1011
# Of it or of the account: it fails within, knows no such account, or has had enough of it.
OF_SERVICE = {1000, 1004, 1030, 2002, 2003}
# The class of vendors for what an app tells its user about her own affairs; 0 is advertising, which they thin out.
SYSTEM_MESSAGE = 1
# What HarmonyOS asks to be told: that it is of somebody's work, and that a tap opens the app.
HARMONY_CATEGORY = "WORK"
HARMONY_HOME = "action.system.home"


class JPushProvider:
    """Sends to registration IDs, which the app's JPush library gives it."""

    # JPush and the phone's vendor read the text.
    is_read_on_the_way = True
    public_key: str | None = None

    def __init__(self, account: PushSettings) -> None:
        pair = f"{account.jpush_app_key}:{account.jpush_master_secret}"
        self._authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
        self._url = (account.jpush_endpoint or ADDRESS).rstrip("/") + PATH
        self._account = account

    def service_for(self, address: Mapping[str, Any]) -> str:
        """One service for all."""
        return "jpush"

    def send(self, address: Mapping[str, Any], message: Message) -> None:
        """Hand it to JPush. Raises Gone, NotTaken."""
        answer = transport.post(
            self._url,
            headers={"Authorization": self._authorization, "Content-Type": "application/json"},
            content=orjson.dumps(self._body(address["token"], message)),
            may_be_inside=bool(self._account.jpush_endpoint),
        )
        if answer.status == 200:
            return
        code = _code_of(answer)
        if code == NO_DEVICE:
            raise Gone
        whole = code in OF_SERVICE or answer.status in (401, 408, 429) or answer.status >= 500
        # Of the rest the settings may be at fault as well, so that no device is forgotten for it.
        raise NotTaken(f"jpush_{code or answer.status}", _wait_of(answer), blame=Blame.SERVICE if whole else Blame.PUSH)

    def _body(self, token: str, message: Message) -> dict[str, Any]:
        # Flat, and texts alone: not every vendor hands on more.
        extras = {"id": str(message.notification_id), "kind": message.kind, **message.ids}
        shown = {"title": message.title, "body": message.body}
        options: dict[str, Any] = {
            "time_to_live": min(message.seconds, LONGEST_SECONDS),
            "apns_production": self._account.jpush_apns_production,
            "apns_collapse_id": message.notification_id.hex,
            "classification": SYSTEM_MESSAGE,
        }
        if self._account.jpush_channels:
            options["third_party_channel"] = orjson.loads(self._account.jpush_channels)
        return {
            "platform": "all",
            "audience": {"registration_id": [token]},
            "notification": {
                "android": {
                    "alert": message.body,
                    "title": message.title,
                    "priority": 1 if message.urgent else 0,
                    "extras": extras,
                },
                "ios": {"alert": shown, "sound": "default", "thread-id": message.kind, "extras": extras},
                "hmos": {
                    "alert": message.body,
                    "title": message.title,
                    "category": HARMONY_CATEGORY,
                    "intent": {"url": HARMONY_HOME},
                    "extras": extras,
                },
            },
            "options": options,
        }


def make(settings: Settings) -> JPushProvider | None:
    """The provider; none without an account."""
    return JPushProvider(settings.push) if settings.push.jpush_app_key else None


def _code_of(answer: transport.Answer) -> int | None:
    try:
        code = orjson.loads(answer.content)["error"]["code"]
    except (ValueError, KeyError, TypeError):
        return None
    return code if isinstance(code, int) else None


def _wait_of(answer: transport.Answer) -> int | None:
    """What `Retry-After` asks for; of the frequency limit JPush says by a header of its own when it is over."""
    if answer.status == 429 and "retry-after" not in answer.headers:
        text = answer.headers.get("x-rate-limit-reset", "")
        return min(int(text[:9]), transport.LONGEST_WAIT_SECONDS) if text.isascii() and text.isdigit() else None
    return transport.wait_of(answer, clock.now())
