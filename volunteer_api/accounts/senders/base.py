"""What every sender of codes is."""

from enum import StrEnum
from typing import Protocol
from urllib.parse import urlsplit

CONNECT_SECONDS = 3
READ_SECONDS = 5


class Notice(StrEnum):
    """What a phone is told that is no code."""

    PHONE_CHANGED = "phone_changed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # a word, not a secret
    GUARDIAN_REPLACED = "guardian_replaced"
    GUARDIAN_WITHDREW = "guardian_withdrew"
    GUARDIAN_NEEDED = "guardian_needed"
    BIRTH_DATE_CORRECTED = "birth_date_corrected"


# What a provider's template is filled with, short enough for its variables (35 characters).
NOTICE_TEXTS = {
    Notice.PHONE_CHANGED: "志愿者账号已改绑其他手机号",
    Notice.PASSWORD_CHANGED: "志愿者账号的密码已修改",
    Notice.GUARDIAN_REPLACED: "您监护的志愿者已改由他人同意",
    Notice.GUARDIAN_WITHDREW: "您的监护人已撤回对志愿者账号的同意",
    Notice.GUARDIAN_NEEDED: "监护人已撤回同意，若无监护人重新同意，账号数日后注销",
    Notice.BIRTH_DATE_CORRECTED: "您监护的志愿者已凭身份证号更正出生日期",
}


class CodeSender(Protocol):
    """Brings a code or a notice to a phone; called once what it tells is committed."""

    # Whether it waits for somebody else's server.
    is_remote: bool

    def send(self, *, phone: str, code: str, purpose: str) -> None:
        """Send it; `phone` is E.164. Raises SendFailed."""

    def notify(self, *, phone: str, notice: Notice) -> None:
        """Send a notice; nothing where the deployment has no template for it. Raises SendFailed."""


class SendFailed(Exception):
    """The provider did not take the code; `reason` is its own code for that, without a person's data."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def host_of(endpoint: str) -> tuple[str, str]:
    """SMS_ENDPOINT as (scheme, host); a bare host is asked by https."""
    parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    return parts.scheme, parts.netloc
