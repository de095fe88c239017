"""Web Push and JPush against services that check what they are sent; and what an endpoint can't make this server do."""

import base64
import json
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.factories import make_volunteer
from tests.notifications.services import OUTSIDE, UNREACHABLE, Browser, base64url, lead, serving, write_certificate
from tests.servers import make_settings
from volunteer_api.accounts.models import DeviceSession
from volunteer_api.config import BadEnvironment, PushSettings, load_settings
from volunteer_api.core.database import db
from volunteer_api.core.problems import InvalidPayload
from volunteer_api.core.settings import EXTENSION as SETTINGS
from volunteer_api.notifications import service, tasks
from volunteer_api.notifications.models import Push, PushSubscription
from volunteer_api.notifications.providers import EXTENSION, configure_providers, jpush, transport, webpush
from volunteer_api.notifications.providers.base import Blame, Gone, Message, NotTaken
from volunteer_api.notifications.providers.encryption import encrypt

HOST = "push.example.org"
KEY = base64url(bytes(31) + b"\7")
MESSAGE = Message(
    notification_id=UUID("01900000-0000-7000-8000-000000000001"),
    kind="shift_canceled",
    title="班次取消",
    body="清洁湛河的班次取消：下雨",
    ids={"activity_id": "01900000-0000-7000-8000-000000000002"},
    seconds=7200,
    urgent=True,
)
BROWSER = Browser()
ADDRESS = {"endpoint": f"https://{HOST}/send/abc?d=1", "keys": BROWSER.keys}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return write_certificate(tmp_path_factory.mktemp("push") / "certificate.pem", HOST)


@pytest.fixture
def outside(certificate, monkeypatch):
    """The push service of HOST, whose certificate is trusted as the system's are."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    transport._trust.cache_clear()
    with serving(certificate) as made:
        made.begun = lead(monkeypatch, made.port)
        yield made
    transport._trust.cache_clear()


@pytest.fixture
def settings(databases):
    push = PushSettings(
        web_push_key=KEY, web_push_contact="mailto:a@example.org", web_push_hosts=(HOST, ".example.net")
    )
    return make_settings("sqlite:///none.db", databases.own, push=push)


@pytest.fixture
def web_push(settings):
    return webpush.make(settings)


@pytest.fixture
def account():
    with serving() as made:
        made.answer = (200, {}, b'{"sendno":"0","msg_id":"1"}')
        made.settings = PushSettings(
            jpush_app_key="key",
            jpush_master_secret="secret",
            jpush_endpoint=f"http://127.0.0.1:{made.port}",
            jpush_channels='{"xiaomi": {"channel_id": "news"}}',
        )
        made.provider = jpush.JPushProvider(made.settings)
        yield made


def test_the_encryption_is_that_of_the_standard():
    """RFC 8291, appendix A."""

    def decoded(text):
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    private = int.from_bytes(decoded("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big")
    body = encrypt(
        b"When I grow up, I want to be a watermelon",
        p256dh=decoded("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
        auth=decoded("BTBZMqHH6r4Tts7J_aSIgg"),
        private_key=ec.derive_private_key(private, ec.SECP256R1()),
        salt=decoded("DGv6ra1nlYgDCS1FRnbzlw"),
        padded_to=1,
    )
    assert base64url(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
        "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


@pytest.mark.parametrize("length", [0, 1, 511, 512, 3992, 3993])
def test_a_browser_reads_what_was_encrypted_and_nobody_sees_how_long_it_is(length):
    keys = {"p256dh": BROWSER.point, "auth": b"sixteen bytes of"}
    body = encrypt(b"a" * length, **keys)
    assert BROWSER.read(body) == b"a" * length
    assert len(body) == len(encrypt(b"a" * min(-(-length // 512) * 512, 3993), **keys)) <= 4096


def test_more_than_a_record_is_refused():
    with pytest.raises(ValueError, match="one record"):
        encrypt(bytes(3994), p256dh=BROWSER.point, auth=bytes(16))


def test_a_web_push_arrives_signed_and_whole(outside, web_push):
    web_push.send(ADDRESS, MESSAGE)
    path, headers, body = outside.requests[0]
    assert json.loads(BROWSER.read(body)) == {
        "id": str(MESSAGE.notification_id),
        "kind": "shift_canceled",
        "values": {"activity_id": "01900000-0000-7000-8000-000000000002"},
        "title": "班次取消",
        "body": "清洁湛河的班次取消：下雨",
    }
    assert (path, headers["Host"], outside.begun) == ("/send/abc?d=1", HOST, [(OUTSIDE, 443)])
    assert (headers["TTL"], headers["Urgency"], headers["Content-Encoding"]) == ("7200", "high", "aes128gcm")
    assert (len(headers["Topic"]), headers["Topic"]) == (22, base64url(MESSAGE.notification_id.bytes))
    scheme, token, key = headers["Authorization"].replace(",", "").split(" ")
    point = base64.urlsafe_b64decode(key.removeprefix("k=") + "=")
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    claims = jwt.decode(token.removeprefix("t="), public, algorithms=["ES256"], audience=f"https://{HOST}")
    assert (scheme, claims["sub"], key) == ("vapid", "mailto:a@example.org", f"k={web_push.public_key}")
    assert 0 < claims["exp"] - time.time() < 86400


@pytest.mark.parametrize(
    ("status", "headers", "wait", "blame"),
    [
        (429, {"Retry-After": "120"}, 120, Blame.PUSH),
        (503, {"Retry-After": "9999999999999"}, transport.LONGEST_WAIT_SECONDS, Blame.SERVICE),
        (503, {"Retry-After": "soon"}, None, Blame.SERVICE),
        (500, {}, None, Blame.SERVICE),
        (403, {}, None, Blame.ADDRESS),
        (307, {"Location": f"https://{HOST}/elsewhere"}, None, Blame.ADDRESS),
        (302, {"Location": "http://169.254.169.254/latest/meta-data"}, None, Blame.ADDRESS),
    ],
)
def test_who_takes_nothing_says_how_long_to_wait_and_sends_nobody_elsewhere(
    outside, web_push, status, headers, wait, blame
):
    outside.answer = (status, headers, b"no")
    with pytest.raises(NotTaken) as refused:
        web_push.send(ADDRESS, MESSAGE)
    assert (refused.value.reason, refused.value.wait_seconds) == (f"status_{status}", wait)
    assert refused.value.blame is blame
    assert len(outside.requests) == 1


@pytest.mark.parametrize("status", [404, 410])
def test_a_browser_that_unsubscribed_is_gone(outside, web_push, status):
    outside.answer = (status, {}, b"")
    with pytest.raises(Gone):
        web_push.send(ADDRESS, MESSAGE)


def test_a_date_says_when_to_come_again():
    now = datetime(2026, 11, 28, 4, 0, tzinfo=UTC)
    answers = {"Sat, 28 Nov 2026 04:01:30 GMT": 90, "Sat, 28 Nov 2026 03:00:00 GMT": 0, "": None, "-5": None}
    for text, seconds in answers.items():
        assert transport.wait_of(transport.Answer(503, {"retry-after": text}, b""), now) == seconds


@pytest.mark.parametrize(
    "inside",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::1",
        "fd00::1",
        "fe80::1%eth0",
    ],
)
def test_no_name_leads_inside(outside, web_push, monkeypatch, inside):
    """Not even where another address of the host is outside: a resolver may tell them in turn."""
    for addresses in ((inside,), (OUTSIDE, inside)):
        begun = lead(monkeypatch, outside.port, addresses)
        with pytest.raises(NotTaken):
            web_push.send(ADDRESS, MESSAGE)
        assert begun == []


def test_of_two_addresses_the_one_that_answers_is_taken(outside, web_push, monkeypatch):
    begun = lead(monkeypatch, outside.port, (UNREACHABLE, OUTSIDE))
    web_push.send(ADDRESS, MESSAGE)
    assert [address for address, _port in begun] == [UNREACHABLE, OUTSIDE]


def test_a_server_with_another_name_is_not_trusted(outside, web_push):
    with pytest.raises(NotTaken, match="SSLCertVerificationError") as refused:
        web_push.send(ADDRESS | {"endpoint": "https://a.example.net/send"}, MESSAGE)
    assert (outside.requests, refused.value.blame) == ([], Blame.ADDRESS)


@pytest.mark.parametrize(
    ("host", "blame"),
    [(HOST, Blame.SERVICE), ("a.example.net", Blame.ADDRESS), ("a" * 64 + ".example.net", Blame.ADDRESS)],
)
def test_a_name_that_somebody_made_up_is_no_fault_of_its_domain(web_push, monkeypatch, host, blame):
    def find(name, *_rest, **_options):
        name.encode("idna")
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", find)
    with pytest.raises(NotTaken) as refused:
        web_push.send(ADDRESS | {"endpoint": f"https://{host}/a"}, MESSAGE)
    assert refused.value.blame is blame


def test_no_service_is_asked_to_keep_a_push_for_longer_than_it_does(outside, web_push):
    web_push.send(ADDRESS, replace(MESSAGE, seconds=40 * 86400))
    assert outside.headers["TTL"] == str(28 * 86400)


def test_one_that_is_reached_too_late_holds_no_thread(outside, web_push, monkeypatch):
    """Nothing could be hung up when the alarm came."""
    monkeypatch.setattr(transport, "WHOLE_SECONDS", 0.1)
    begin = socket.create_connection

    def begin_slowly(*arguments):
        time.sleep(0.15)
        return begin(*arguments)

    monkeypatch.setattr(socket, "create_connection", begin_slowly)
    outside.drips = 100
    with pytest.raises(NotTaken, match="TimeoutError"):
        web_push.send(ADDRESS, MESSAGE)
    assert outside.requests == []


@pytest.mark.parametrize("drips", [0, 400])
def test_neither_a_long_answer_nor_one_that_never_ends_holds_a_thread(outside, web_push, monkeypatch, drips):
    monkeypatch.setattr(transport, "WHOLE_SECONDS", 0.2)
    outside.drips = drips
    outside.answer = (201, {}, bytes(3_000_000))
    start = time.monotonic()
    if drips:
        with pytest.raises(NotTaken):
            web_push.send(ADDRESS, MESSAGE)
    else:
        web_push.send(ADDRESS, MESSAGE)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    "endpoint",
    [
        f"http://{HOST}/a",
        "https://169.254.169.254/a",
        "https://localhost/a",
        f"https://{HOST}.evil.org/a",
        f"https://evil.org/{HOST}",
        f"https://evil{HOST}/a",
        "https://example.net/a",
        f"https://user@{HOST}/a",
        f"https://evil.org\\@{HOST}/a",
        f"https://{HOST}\\.evil.org/a",
        f"https://{HOST}:8443/a",
        f"https://{HOST}:443/a",
        f"https://{HOST.upper()}/a",
        f"https://{HOST}?a",
        f"https://{HOST}:x/a",
        f"https://{HOST}/a#b",
        f"https://{HOST}/a b",
        f"https://{HOST}/ä",
        f"//{HOST}/a",
        "https://[::1/a",
        "",
    ],
)
def test_an_endpoint_is_only_where_push_services_are(web_push, endpoint):
    with pytest.raises(InvalidPayload) as refused:
        web_push.service_for(ADDRESS | {"endpoint": endpoint})
    assert [(error["pointer"], error["code"]) for error in refused.value.members["errors"]] == [
        ("/endpoint", "not_a_push_service")
    ]
    with pytest.raises(NotTaken, match="host_not_known"):
        web_push.send(ADDRESS | {"endpoint": endpoint}, MESSAGE)


@pytest.mark.parametrize(
    ("keys", "pointer"),
    [
        ({"p256dh": base64url(b"\4" + bytes(63) + b"\1")}, "/keys/p256dh"),
        ({"p256dh": base64url(BROWSER.point[:33])}, "/keys/p256dh"),
        ({"p256dh": "="}, "/keys/p256dh"),
        ({"auth": base64url(bytes(15))}, "/keys/auth"),
    ],
)
def test_a_key_is_one(web_push, keys, pointer):
    with pytest.raises(InvalidPayload) as refused:
        web_push.service_for(ADDRESS | {"keys": BROWSER.keys | keys})
    assert refused.value.members["errors"][0]["pointer"] == pointer


def test_hosts_that_fail_together_are_one_service(web_push):
    assert web_push.service_for(ADDRESS) == HOST
    assert {web_push.service_for(ADDRESS | {"endpoint": f"https://{one}.example.net/a"}) for one in "ab"} == {
        ".example.net"
    }


def test_jpush_is_told_all_that_it_hands_on(account):
    account.provider.send({"token": "1a0018970a8f"}, MESSAGE)
    path, headers, body = account.requests[0]
    assert (path, headers["Authorization"]) == ("/v3/push", f"Basic {base64.b64encode(b'key:secret').decode()}")
    sent = json.loads(body)
    extras = {"id": str(MESSAGE.notification_id), "kind": "shift_canceled", **MESSAGE.ids}
    shown = sent["notification"]
    assert sent["audience"] == {"registration_id": ["1a0018970a8f"]}
    assert {one: shown[one]["extras"] for one in shown} == dict.fromkeys(("android", "ios", "hmos"), extras)
    assert (shown["android"]["title"], shown["android"]["alert"]) == (MESSAGE.title, MESSAGE.body)
    assert shown["ios"]["alert"] == {"title": MESSAGE.title, "body": MESSAGE.body}
    assert sent["options"] == {
        "time_to_live": 7200,
        "apns_production": True,
        "apns_collapse_id": MESSAGE.notification_id.hex,
        "classification": 1,
        "third_party_channel": {"xiaomi": {"channel_id": "news"}},
    }


@pytest.mark.parametrize(
    ("status", "code", "headers", "reason", "wait", "blame"),
    [
        (429, 2002, {"X-Rate-Limit-Reset": "33"}, "jpush_2002", 33, Blame.SERVICE),
        (401, 1004, {}, "jpush_1004", None, Blame.SERVICE),
        (503, None, {"Retry-After": "60"}, "jpush_503", 60, Blame.SERVICE),
        (400, 1003, {}, "jpush_1003", None, Blame.PUSH),
    ],
)
def test_what_jpush_does_not_take(account, status, code, headers, reason, wait, blame):
    content = json.dumps({"error": {"code": code, "message": "no"}} if code else []).encode()
    account.answer = (status, headers, content)
    with pytest.raises(NotTaken) as refused:
        account.provider.send({"token": "a"}, MESSAGE)
    assert (refused.value.reason, refused.value.wait_seconds, refused.value.blame) == (reason, wait, blame)


def test_a_registration_id_that_jpush_does_not_know_is_gone(account):
    account.answer = (400, {}, b'{"error": {"code": 1011, "message": "cannot find user by this audience"}}')
    with pytest.raises(Gone):
        account.provider.send({"token": "a"}, MESSAGE)


def test_from_the_browsers_subscription_to_what_it_shows(client, unit, outside, settings, change_settings):
    app = client.app
    before = app.extensions[EXTENSION]
    change_settings(app, push=settings.push)
    configure_providers(app, app.extensions[SETTINGS])
    try:
        owner = unit(make_volunteer)
        phone = client.as_(owner)
        session = unit(lambda: db.session.query(DeviceSession).one())
        told = {one["name"]: one["public_key"] for one in phone.get("/me/notification-preferences").json["providers"]}
        assert len(base64.urlsafe_b64decode(told["webpush"] + "=")) == 65
        path = f"/me/push-subscriptions/{session.device_id}"
        assert phone.put(path, json={"provider": "webpush", **ADDRESS}).status_code == 200
        bad = phone.put(path, json={"provider": "webpush", **ADDRESS, "endpoint": "https://10.0.0.1/a"})
        assert (bad.status_code, bad.json["errors"][0]["pointer"]) == (422, "/endpoint")
        unit(lambda: service.notify(volunteer_id=owner.id, kind="password_changed", values={}, dedup_key="a"))
        with app.app_context():
            tasks.deliver()
        assert json.loads(BROWSER.read(outside.body))["kind"] == "password_changed"
        outside.answer = (410, {}, b"")
        unit(lambda: service.notify(volunteer_id=owner.id, kind="password_changed", values={}, dedup_key="b"))
        with app.app_context():
            tasks.deliver()
        assert unit(lambda: [db.session.query(table).count() for table in (PushSubscription, Push)]) == [0, 0]
    finally:
        app.extensions[EXTENSION] = before


class TestEnvironment:
    def test_what_is_set_up_is_read(self, monkeypatch):
        given = {
            "WEB_PUSH_KEY": webpush.make_key(),
            "WEB_PUSH_CONTACT": "mailto:a@example.org",
            "WEB_PUSH_HOSTS": "Push.Example.org, .example.net",
            "JPUSH_APP_KEY": "a",
            "JPUSH_MASTER_SECRET": "b",
            "JPUSH_APNS_PRODUCTION": "0",
        }
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        read = load_settings()
        assert read.push.web_push_hosts == ("push.example.org", ".example.net")
        assert (read.push.jpush_app_key, read.push.jpush_apns_production) == ("a", False)
        assert webpush.make(read) is not None
        assert given["WEB_PUSH_KEY"] not in repr(read)

    @pytest.mark.parametrize(
        ("given", "named"),
        [
            ({"WEB_PUSH_KEY": KEY}, "WEB_PUSH_CONTACT"),
            ({"WEB_PUSH_CONTACT": "mailto:a@example.org"}, "WEB_PUSH_KEY"),
            ({"JPUSH_APP_KEY": "a"}, "JPUSH_MASTER_SECRET"),
            ({"JPUSH_MASTER_SECRET": "a"}, "JPUSH_APP_KEY"),
            ({"WEB_PUSH_KEY": "short", "WEB_PUSH_CONTACT": "mailto:a@example.org"}, "WEB_PUSH_KEY"),
            ({"WEB_PUSH_KEY": KEY, "WEB_PUSH_CONTACT": "a@example.org"}, "WEB_PUSH_CONTACT"),
            ({"WEB_PUSH_HOSTS": "https://example.org"}, "WEB_PUSH_HOSTS"),
            ({"JPUSH_CHANNELS": "[1]"}, "JPUSH_CHANNELS"),
            ({"JPUSH_ENDPOINT": "api.jpush.cn"}, "JPUSH_ENDPOINT"),
        ],
    )
    def test_half_of_it_is_refused(self, monkeypatch, given, named):
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(BadEnvironment, match=named):
            load_settings()

    def test_a_number_that_is_no_key_is_refused(self, settings):
        wrong = PushSettings(web_push_key="A" * 43, web_push_contact="mailto:a@example.org")
        with pytest.raises(BadEnvironment, match="keys web-push"):
            webpush.make(make_settings(settings.database_url, settings.var_directory, push=wrong))
