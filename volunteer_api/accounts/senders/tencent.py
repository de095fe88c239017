"""Tencent Cloud's short message service (SMS 2021-01-11, SendSms), by its own library.

The template has one parameter, the code; that of notices, the notice. https://cloud.tencent.com/document/product/382/55981
"""

import json
import logging
from typing import Any

from tencentcloud.common.credential import Credential  # type: ignore[import-untyped]  # the library has no types
from tencentcloud.common.exception.tencent_cloud_sdk_exception import (  # type: ignore[import-untyped]  # as above
    TencentCloudSDKException,
)
from tencentcloud.common.profile.client_profile import ClientProfile  # type: ignore[import-untyped]  # as above
from tencentcloud.common.profile.http_profile import HttpProfile  # type: ignore[import-untyped]  # as above
from tencentcloud.sms.v20210111.models import SendSmsRequest  # type: ignore[import-untyped]  # as above
from tencentcloud.sms.v20210111.sms_client import SmsClient  # type: ignore[import-untyped]  # as above

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

DEFAULT_REGION = "ap-guangzhou"
# At the level DEBUG it writes whole requests to the log, which hold phone and code.
logging.getLogger("tencentcloud_sdk_common").setLevel(logging.WARNING)


class TencentSender:
    """Sends by Tencent Cloud."""

    is_remote = True

    def __init__(self, account: SmsAccount) -> None:
        scheme, host = host_of(account.endpoint) if account.endpoint else ("https", None)
        # The library hands its timeout on to requests, which takes a pair.
        http = HttpProfile(protocol=scheme, endpoint=host, reqTimeout=(CONNECT_SECONDS, READ_SECONDS))
        self._account = account
        self._credential = Credential(account.access_key_id, account.access_key_secret)
        self._profile = ClientProfile(httpProfile=http)

    def send(self, *, phone: str, code: str, purpose: str) -> None:
        """Send it; numbers go as E.164."""
        self._send(phone, self._account.template_code, code)

    def notify(self, *, phone: str, notice: Notice) -> None:
        """Send a notice by the template for it, where there is one."""
        if self._account.notice_template_code:
            self._send(phone, self._account.notice_template_code, NOTICE_TEXTS[notice])

    def _send(self, phone: str, template_code: str, value: str) -> None:
        request = SendSmsRequest()
        request.from_json_string(
            json.dumps(
                {
                    "PhoneNumberSet": [phone],
                    "SmsSdkAppId": self._account.app_id,
                    "SignName": self._account.sign_name,
                    "TemplateId": template_code,
                    "TemplateParamSet": [value],
                }
            )
        )
        # The library does not say whether two threads may share a client; one costs nothing.
        client = SmsClient(self._credential, self._account.region or DEFAULT_REGION, self._profile)
        try:
            statuses: Any = client.SendSms(request).SendStatusSet
        except TencentCloudSDKException as error:
            raise SendFailed(str(error.get_code())) from None
        if not statuses or statuses[0].Code != "Ok":
            raise SendFailed(str(statuses[0].Code) if statuses else "no_status")


def make(account: SmsAccount) -> CodeSender:
    """The sender for an account."""
    return TencentSender(account)
