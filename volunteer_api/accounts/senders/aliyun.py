"""Alibaba Cloud's short message service (Dysmsapi 2017-05-25, SendSms), by its own library.

The template has one variable, `code`; that of notices, `notice`. https://help.aliyun.com/zh/sms/developer-reference/api-dysmsapi-2017-05-25-sendsms
"""

import json
import logging
from typing import Any

from alibabacloud_dysmsapi20170525.client import Client  # type: ignore[import-untyped]  # the library has no types
from alibabacloud_dysmsapi20170525.models import SendSmsRequest  # type: ignore[import-untyped]  # as above
from alibabacloud_tea_openapi.utils_models import Config  # type: ignore[import-untyped]  # as above
from darabonba.exceptions import DaraException, UnretryableException  # type: ignore[import-untyped]  # as above
from darabonba.runtime import RuntimeOptions  # type: ignore[import-untyped]  # as above

from volunteer_api.accounts.senders.base import (
    CONNECT_SECONDS,
    NOTICE_TEXTS,
    READ_SECONDS,
    CodeSender,
    Notice,
    SendFailed,
    host_of,
)
from volunteer_api.config import SmsAccount

DEFAULT_REGION = "cn-hangzhou"
# At the level DEBUG it writes addresses to the log, which hold phone and code.
logging.getLogger("urllib3").setLevel(logging.WARNING)


class AliyunSender:
    """Sends by Alibaba Cloud."""

    is_remote = True

    def __init__(self, account: SmsAccount) -> None:
        scheme, host = host_of(account.endpoint) if account.endpoint else ("https", None)
        self._account = account
        self._client = Client(
            Config(
                access_key_id=account.access_key_id,
                access_key_secret=account.access_key_secret,
                region_id=account.region or DEFAULT_REGION,
                endpoint=host,
                protocol=scheme,
            )
        )

    def send(self, *, phone: str, code: str, purpose: str) -> None:
        """Send it; mainland numbers go without their country code."""
        self._send(phone, self._account.template_code, {"code": code})

    def notify(self, *, phone: str, notice: Notice) -> None:
        """Send a notice by the template with the variable `notice`, where there is one."""
        if self._account.notice_template_code:
            self._send(phone, self._account.notice_template_code, {"notice": NOTICE_TEXTS[notice]})

    def _send(self, phone: str, template_code: str, values: dict[str, str]) -> None:
        request = SendSmsRequest(
            phone_numbers=phone.removeprefix("+86"),
            sign_name=self._account.sign_name,
            template_code=template_code,
            template_param=json.dumps(values),
        )
        patience = RuntimeOptions(
            connect_timeout=CONNECT_SECONDS * 1000, read_timeout=READ_SECONDS * 1000, autoretry=False, max_attempts=1
        )
        try:
            answer: Any = self._client.send_sms_with_options(request, patience).body
        except (DaraException, UnretryableException) as error:
            # Not its text: that holds the address with phone and code.
            raise SendFailed(str(getattr(error, "code", None) or type(error).__name__)) from None
        if answer.code != "OK":
            raise SendFailed(str(answer.code))


def make(account: SmsAccount) -> CodeSender:
    """The sender for an account."""
    return AliyunSender(account)
