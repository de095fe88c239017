"""Codes by short message, through the providers' own libraries, against local servers that check what they are sent."""

import hashlib
import hmac
import io
import json
import sys
import threading
import time
import urllib.parse
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import structlog

from tests.accounts.factories import PHONE
from tests.servers import make_settings, until
from volunteer_api.accounts import codes, senders
from volunteer_api.accounts.senders.base import SendFailed
from volunteer_api.config import BadEnvironment, SmsAccount, load_settings
from volunteer_api.core import logs, metrics

KEY_ID, KEY_SECRET = "key-of-the-test", "secret-of-the-test"


class Provider:
    """A provider's server: `faults` has what was wrong with requests, `requests` the parameters of the good ones."""

    def __init__(self, judge):
        self.judge = judge
        self.requests, self.faults = [], []
        self.answer, self.delay = None, 0.0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                time.sleep(provider.delay)
                try:
                    provider.requests.append(provider.judge(self, body))
                except AssertionError as error:
                    provider.faults.append(error)
                content = json.dumps(provider.answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments):
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.account = SmsAccount(
            access_key_id=KEY_ID,
            access_key_secret=KEY_SECRET,
            sign_name="鹰城志愿",
            template_code="SMS_1",
            app_id="1400000001",
            endpoint=f"http://127.0.0.1:{self.server.server_port}",
        )


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def sign(key, text):
    return hmac.digest(key, text.encode(), "sha256")


def judge_aliyun(request, body):
    """ACS3-HMAC-SHA256, written anew from its documentation; returns the parameters."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    path, _, query = request.path.partition("?")
    method, _, rest = headers["authorization"].partition(" ")
    parts = dict(part.split("=", 1) for part in rest.split(","))
    signed = parts["SignedHeaders"].split(";")
    pairs = sorted(urllib.parse.parse_qsl(query, keep_blank_values=True))
    canonical_query = "&".join(f"{urllib.parse.quote(n, safe='~')}={urllib.parse.quote(v, safe='~')}" for n, v in pairs)
    canonical = "\n".join(
        [
            "POST",
            path,
            canonical_query,
            "".join(f"{name}:{headers[name].strip()}\n" for name in signed),
            ";".join(signed),
            headers["x-acs-content-sha256"],
        ]
    )
    assert method == "ACS3-HMAC-SHA256"
    assert parts["Credential"] == KEY_ID
    assert {"host", "x-acs-action", "x-acs-date", "x-acs-signature-nonce", "x-acs-version"} <= set(signed)
    assert headers["x-acs-content-sha256"] == sha256(body)
    expected = sign(KEY_SECRET.encode(), f"{method}\n{sha256(canonical.encode())}").hex()
    assert parts["Signature"] == expected
    assert (headers["x-acs-action"], headers["x-acs-version"]) == ("SendSms", "2017-05-25")
    return dict(pairs)


def judge_tencent(request, body):
    """TC3-HMAC-SHA256, written anew from its documentation; returns the parameters."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    method, _, rest = headers["authorization"].partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    key_id, day, service, ending = parts["Credential"].split("/")
    signed = parts["SignedHeaders"].split(";")
    canonical = "\n".join(
        [
            "POST",
            "/",
            "",
            "".join(f"{name}:{headers[name].strip().lower()}\n" for name in signed),
            ";".join(signed),
            sha256(body),
        ]
    )
    text = "\n".join([method, headers["x-tc-timestamp"], f"{day}/{service}/{ending}", sha256(canonical.encode())])
    key = sign(sign(sign(f"TC3{KEY_SECRET}".encode(), day), service), ending)
    assert (method, key_id, service, ending) == ("TC3-HMAC-SHA256", KEY_ID, "sms", "tc3_request")
    assert abs(time.time() - int(headers["x-tc-timestamp"])) < 300
    assert parts["Signature"] == sign(key, text).hex()
    assert (headers["x-tc-action"], headers["x-tc-version"]) == ("SendSms", "2021-01-11")
    return json.loads(body)


GOOD = {
    "aliyun": {"Code": "OK", "Message": "OK", "BizId": "9006", "RequestId": "F655"},
    "tencent": {"Response": {"SendStatusSet": [{"SerialNo": "1", "Code": "Ok", "Message": "ok"}], "RequestId": "a"}},
}
LIMITED = {
    "aliyun": ({"Code": "isv.BUSINESS_LIMIT_CONTROL", "Message": "触发分钟级流控"}, "isv.BUSINESS_LIMIT_CONTROL"),
    "tencent": (
        {"Response": {"SendStatusSet": [{"Code": "LimitExceeded.PhoneNumberThirtySecondLimit"}], "RequestId": "a"}},
        "LimitExceeded.PhoneNumberThirtySecondLimit",
    ),
}
REFUSED = {
    "aliyun": ({"Code": "SignatureDoesNotMatch", "Message": "no"}, "SignatureDoesNotMatch"),
    "tencent": (
        {"Response": {"Error": {"Code": "AuthFailure.SignatureFailure", "Message": "no"}, "RequestId": "a"}},
        "AuthFailure.SignatureFailure",
    ),
}
EXPECTED = {
    "aliyun": lambda code: {
        "PhoneNumbers": PHONE.removeprefix("+86"),
        "SignName": "鹰城志愿",
        "TemplateCode": "SMS_1",
        "TemplateParam": json.dumps({"code": code}),
    },
    "tencent": lambda code: {
        "PhoneNumberSet": [PHONE],
        "SmsSdkAppId": "1400000001",
        "SignName": "鹰城志愿",
        "TemplateId": "SMS_1",
        "TemplateParamSet": [code],
    },
}


@contextmanager
def serving(judge):
    provider = Provider(judge)
    thread = threading.Thread(target=provider.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield provider
    finally:
        provider.server.shutdown()
        thread.join()
        provider.server.server_close()


@pytest.fixture(params=["aliyun", "tencent"])
def name(request):
    return request.param


@pytest.fixture
def provider(name):
    with serving({"aliyun": judge_aliyun, "tencent": judge_tencent}[name]) as made:
        made.answer = GOOD[name]
        yield made


@pytest.fixture
def sender(name, provider, databases):
    settings = make_settings(databases.empty_sqlite(), databases.own, sms_sender=name, sms=provider.account)
    return senders.build_sender(settings)


@pytest.fixture
def outbox(name, client, sender):
    """The application sends by the provider."""
    before = client.app.extensions[senders.EXTENSION]
    client.app.extensions[senders.EXTENSION] = senders.Outbox(client.app, sender, name)
    yield
    client.app.extensions[senders.EXTENSION]._pool.shutdown()
    client.app.extensions[senders.EXTENSION] = before


def messages(provider, outcome):
    labels = {"provider": provider, "kind": "code", "outcome": outcome}
    return metrics.REGISTRY.get_sample_value("volunteer_messages_total", labels) or 0


def wait_for(condition):
    until(condition, within_seconds=6)


def test_a_code_arrives_signed_and_whole(name, provider, sender):
    sender.send(phone=PHONE, code="012345", purpose="access")
    assert provider.faults == []
    assert provider.requests == [EXPECTED[name]("012345")]


@pytest.mark.parametrize("answers", [LIMITED, REFUSED])
def test_a_refusal_is_named_by_the_providers_code(name, provider, sender, answers):
    provider.answer, code = answers[name]
    with pytest.raises(SendFailed) as refused:
        sender.send(phone=PHONE, code="012345", purpose="access")
    assert refused.value.reason == code


def test_a_provider_that_is_away_is_a_failure(provider, sender):
    provider.server.shutdown()
    provider.server.server_close()
    with pytest.raises(SendFailed):
        sender.send(phone=PHONE, code="012345", purpose="access")


def test_asking_by_http_reaches_the_provider(name, client, provider, outbox):
    before = messages(name, "sent")
    assert client.post("/auth/codes", json={"phone": PHONE, "purpose": "access"}).status_code == 202
    wait_for(lambda: provider.requests)
    sent = provider.requests[0]
    code = json.loads(sent["TemplateParam"])["code"] if name == "aliyun" else sent["TemplateParamSet"][0]
    body = {"phone": PHONE, "code": code, "device": {"id": "a", "name": "b", "platform": "android"}}
    assert client.post("/auth/sign-in", json=body).json["code"] == "registration_required"
    wait_for(lambda: messages(name, "sent") == before + 1)


def test_a_slow_provider_holds_nobody_up(client, provider, outbox):
    provider.delay = 1.5
    start = time.monotonic()
    assert client.post("/auth/codes", json={"phone": PHONE, "purpose": "access"}).status_code == 202
    assert time.monotonic() - start < 1
    wait_for(lambda: provider.requests)


def test_a_failed_code_starts_no_pause_costs_nothing_and_shows_no_phone(
    name, client, unit, provider, outbox, change_settings, monkeypatch
):
    change_settings(client.app, limits=True, codes_a_day=2, codes_a_day_per_address=2)
    shown, before = io.StringIO(), messages(name, "failed")
    monkeypatch.setitem(client.app.extensions, logs.EXTENSION, structlog.wrap_logger(structlog.PrintLogger(shown)))
    provider.answer = LIMITED[name][0]
    body = {"phone": PHONE, "purpose": "access"}
    assert client.post("/auth/codes", json=body).status_code == 202
    wait_for(lambda: client.post("/auth/codes", json=body).status_code == 202)
    # Nor does an outage of the provider use up the day's codes of all.
    wait_for(lambda: client.post("/auth/codes", json=body).status_code == 202)
    wait_for(lambda: unit(lambda: codes.spent_share()) == 0)
    assert "code_not_sent" in shown.getvalue()
    assert LIMITED[name][1] in shown.getvalue()
    assert PHONE[3:] not in shown.getvalue()
    assert messages(name, "failed") > before


@pytest.mark.parametrize(
    ("name", "library"), [("aliyun", "alibabacloud_dysmsapi20170525"), ("tencent", "tencentcloud")]
)
def test_a_missing_library_is_named_with_the_command(name, library, databases, monkeypatch):
    for module in [one for one in sys.modules if one.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delitem(sys.modules, f"volunteer_api.accounts.senders.{name}", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(library), *sys.meta_path])
    with pytest.raises(BadEnvironment, match=f"SMS_SENDER is {name}, .*make install EXTRAS=1"):
        senders.build_sender(make_settings(databases.empty_sqlite(), databases.own, sms_sender=name))


class Missing:
    """An importer that knows that a library is not there."""

    def __init__(self, library):
        self.library = library

    def find_spec(self, name, _path=None, _target=None):
        if name.split(".")[0] == self.library:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


class TestEnvironment:
    def test_the_account_is_read(self, monkeypatch):
        given = {"ACCESS_KEY_ID": "a", "ACCESS_KEY_SECRET": "b", "SIGN_NAME": "c", "TEMPLATE_CODE": "d", "APP_ID": "e"}
        given["NOTICE_TEMPLATE_CODE"] = "n"
        for name, value in {"SENDER": "tencent", "REGION": "ap-beijing", **given}.items():
            monkeypatch.setenv(f"SMS_{name}", value)
        settings = load_settings()
        assert settings.sms_sender == "tencent"
        assert settings.sms == SmsAccount("a", "b", "c", "d", "n", "e", "ap-beijing", "")

    @pytest.mark.parametrize("sender", ["aliyun", "tencent"])
    def test_what_is_missing_is_named(self, monkeypatch, sender):
        monkeypatch.setenv("SMS_SENDER", sender)
        monkeypatch.setenv("SMS_ACCESS_KEY_ID", "a")
        with pytest.raises(BadEnvironment, match="SMS_ACCESS_KEY_SECRET, SMS_SIGN_NAME, SMS_TEMPLATE_CODE"):
            load_settings()

    def test_an_unknown_sender_is_refused(self, monkeypatch):
        monkeypatch.setenv("SMS_SENDER", "pigeon")
        with pytest.raises(BadEnvironment, match="pigeon"):
            load_settings()
