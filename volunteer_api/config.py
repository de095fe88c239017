"""Typed settings from the environment. Nothing else in the project reads the environment."""

import json
import re
from collections.abc import Set
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from environs import EnvError, FileAwareEnv, validate
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

PROJECT_DIRECTORY = Path(__file__).resolve().parent.parent
# Pinned and with hashes, as nothing is that pip would choose by itself.
GET_EXTRAS = f"run `make install EXTRAS=1` in {PROJECT_DIRECTORY}."
DEVELOPMENT_SECRET = "development-only-secret-never-for-a-real-district"  # noqa: S105  # refused in production
WEB_PUSH_KEY = re.compile(r"[A-Za-z0-9_-]{43}=?", re.ASCII)
# Where Chromium, Firefox, Safari and Edge have their pushes sent; one that begins with a dot stands for what ends so.
WEB_PUSH_HOSTS = (
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "web.push.apple.com",
    ".notify.windows.com",
)
HOST_ENTRY = re.compile(r"\.?[a-z0-9-]+(\.[a-z0-9-]+)+", re.ASCII)
S3_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,98}/", re.ASCII)
# What each sender of one-time codes must be told.
SMS_ACCOUNT = ("access_key_id", "access_key_secret", "sign_name", "template_code")
SMS_NEEDS = {"console": (), "aliyun": SMS_ACCOUNT, "tencent": (*SMS_ACCOUNT, "app_id")}
NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs"}
# What has no default in production, and why.
CHOSEN_IN_PRODUCTION = {
    "SMS_SENDER": "aliyun or tencent; 'console' prints one-time codes for all to read.",
    "TRUSTED_PROXIES": "how many proxies stand in front, which is at least 1 on the open internet. Taken for none, "
    "everybody has the proxy's address, and one limit for all.",
    "PUBLIC_BASE_URL": "the address that phones know, as in https://volunteers.example.cn; it is printed on paper.",
}


class BadEnvironment(Exception):
    """The environment can't start the server; its text is the one line that a person needs."""


@dataclass(frozen=True)
class Rules:
    """The deployment's own choices inside the domain's rules. Each has the default of the glossary."""

    code_lifetime_seconds: int = 300
    code_tries: int = 5
    code_interval_seconds: int = 60
    code_longest_interval_seconds: int = 3600
    # A carrier gives a number that was given up to nobody else for 90 days [电信服务规范].
    recycled_after_days: int = 90
    check_in_opens_minutes: int = 30
    fence_m: int = 300
    accuracy_cap_m: int = 200
    # So long after the end of its frame an attendance without a check-out is closed.
    check_out_closes_minutes: int = 120
    # A check-out so soon after the check-in is a slip if another follows. Less than that between two taps waits not.
    slip_minutes: int = 5
    late_evidence_hours: int = 72
    future_evidence_seconds: int = 300
    credited_minutes_a_day: int = 480
    # More than that on one local day only an organizer gives.
    most_minutes_a_day: int = 720
    # A duty lasts so long at most. Of a shift, so much must be attended for any of it to count; 0: no minimum.
    duty_minutes: int = 480
    minimum_share_percent: int = 0
    # Of what no code proves, and of codes told late from nowhere, so much is flagged for a look; 0: none.
    sampled_percent: int = 5
    # Faster than this between two places nobody travels; nearer than that a phone's error explains it.
    fastest_travel_kmh: int = 120
    travel_slack_m: int = 1000
    # So far outside the fence, a valid code is somebody else's that was passed on.
    code_elsewhere_m: int = 1000
    # What the server has so long after the tap was told late.
    told_late_seconds: int = 180
    promotion_closes_minutes: int = 120
    late_withdrawal_minutes: int = 180
    promotion_grace_minutes: int = 60
    # Between two shifts of one person; 0: back-to-back is fine.
    rest_minutes: int = 0
    # At so many no-shows in so many days a sign-up waits for a leader, or is refused where `no_shows_refuse`; 0: never.
    no_show_limit: int = 0
    no_show_days: int = 90
    no_shows_refuse: bool = False
    # What the guardians' text promises; a deployment that allows it publishes a text of its own.
    minors_in_hazardous: bool = False
    minors_at_night: bool = False
    attendances_for_held_shift: int = 1
    # Before the start: when leaders hear that a shift has fewer people than its minimum.
    risk_notice_hours: int = 24
    # After the shift: how long a calendar that follows somebody's sign-ups is told that her place in it was lost.
    calendar_canceled_days: int = 30
    backdating_days: int = 30
    # So long after its end, service may be recorded by somebody else than the phone that was there.
    backfill_days: int = 90
    near_expiry_days: int = 30
    # What is received with an expiry date after so many more years was mistyped.
    expiry_years: int = 15
    # A count that differs by more than so many pieces in all needs a second person; one made offline may come so late.
    stocktake_variance: int = 5
    late_count_hours: int = 72
    loan_days: int = 7
    loan_longest_days: int = 30
    # How many open loans one borrower may have; 0 is any number.
    loans_per_borrower: int = 0
    # So long overdue, a loan is reminded of; once at each.
    loan_reminder_days: tuple[int, ...] = (0, 3, 7)
    # Compliance: issues of how many days say how fast things are used up, how far the forecast looks, from when on a
    # coming failure is an alert, and after how many days an alert that nobody looked at goes one level up.
    consumption_days: int = 90
    forecast_days: int = 365
    fail_warning_days: int = 14
    alert_escalation_days: int = 3
    # From how many credited hours on each star level may be applied for [2012].
    star_level_hours: tuple[int, ...] = (100, 300, 600, 1000, 1500)
    audit_days: int = 1095
    erasure_days: int = 7
    pending_grant_days: int = 90
    # How long is kept what nobody needs any more [PIPL 19]; docs/privacy.md gives the reasons.
    session_days: int = 180
    notification_days: int = 365
    stock_document_years: int = 5
    # What is under way between two stations for so long is asked after, and again after as long.
    transfer_reminder_days: int = 7
    borrower_days: int = 30
    loan_history_days: int = 365
    # Feedback: taken for so many days after a shift, changeable for so many after it was given; its stars are told, and
    # anonymous words, only among so many people; so many reports take words down until an organizer has looked at them.
    # What was given before that was settled at once has been settled among three (migration 2026_12_02_1_kept_back).
    feedback_days: int = 30
    feedback_edit_days: int = 14
    feedback_minimum_count: int = 3
    feedback_reports: int = 3
    # A dispute is filed within so many days, answered within so many, and reminded of so many before that.
    dispute_days: int = 30
    dispute_answer_days: int = 15
    dispute_reminder_days: int = 3


@dataclass(frozen=True)
class S3Settings:
    """A bucket of S3 or of a server that speaks like it; `endpoint` is None for Amazon's own.

    Every object's key begins with `prefix`: deployments that share a bucket each need their own.
    """

    endpoint: str | None
    bucket: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    prefix: str = "files/"


@dataclass(frozen=True)
class SmsAccount:
    """The account of a provider of short messages; what a provider doesn't know stays empty.

    `endpoint` replaces the provider's own address: a host, or http(s)://host:port.
    """

    access_key_id: str = ""
    access_key_secret: str = ""
    sign_name: str = ""
    template_code: str = ""
    # The template of what is no code, like a changed password; where it is empty no such message goes out.
    notice_template_code: str = ""
    app_id: str = ""
    region: str = ""
    endpoint: str = ""


@dataclass(frozen=True)
class PushSettings:
    """How news reaches phones: web pushes where there is a key, JPush where there is an account, else neither.

    `web_push_key` is a private key of P-256 in base64url; `web_push_contact` tells push services whom to ask.
    `jpush_endpoint` replaces JPush's own address; `jpush_channels` is the JSON of its option `third_party_channel`.
    """

    web_push_key: str = field(default="", repr=False)
    web_push_contact: str = ""
    web_push_hosts: tuple[str, ...] = WEB_PUSH_HOSTS
    jpush_app_key: str = ""
    jpush_master_secret: str = field(default="", repr=False)
    jpush_endpoint: str = ""
    jpush_apns_production: bool = True
    jpush_channels: str = ""


@dataclass(frozen=True)
class Settings:
    """Everything a deployment may choose.

    `database_url` is SQLAlchemy's; `valkey_url` is None where limits and the queue live in the database and a file.
    `read_timeout_seconds` is the longest pause inside a request; all of it may take three times as long.
    """

    environment: str
    database_url: str
    valkey_url: str | None
    secret_key: str
    public_base_url: str
    var_directory: Path
    zone: ZoneInfo
    limits: bool
    trusted_proxies: int
    log_level: str
    rules: Rules = field(default_factory=Rules)
    access_token_seconds: int = 900
    refresh_token_days: int = 60
    body_bytes: int = 1024 * 1024
    upload_bytes: int = 10 * 1024 * 1024
    read_timeout_seconds: int = 10
    web_workers: int = 2
    sms_sender: str = "console"
    sms: SmsAccount = field(default_factory=SmsAccount)
    push: PushSettings = field(default_factory=PushSettings)
    s3: S3Settings | None = None
    # One-time codes to devices that were not signed in before, from one address and from all: what strangers may spend.
    codes_a_day_per_address: int = 600
    codes_a_day: int = 10_000
    # Lets a monitoring system read `/metrics`; without one nobody may in production.
    metrics_token: str | None = field(default=None, repr=False)
    # Opens what the former SECRET_KEY wrapped, until `volunteer-api keys rewrap` has run.
    secret_key_previous: str | None = None

    @property
    def production(self) -> bool:
        return self.environment == "production"


def load_settings() -> Settings:
    """Read and judge the environment; `NAME_FILE` may name a file that holds a value, as for mounted secrets.

    Raises BadEnvironment with one line that names the variable and what is wrong with it.
    """
    try:
        return _read(FileAwareEnv())
    except (EnvError, ValueError, OSError) as error:
        raise BadEnvironment(_line(error)) from error


def _read(env: FileAwareEnv) -> Settings:
    var_directory = (PROJECT_DIRECTORY / env.str("VAR_DIR", "var")).resolve()
    settings = Settings(
        environment=env.str("APP_ENV", "development", validate=validate.OneOf(["development", "test", "production"])),
        database_url=_database_url(env.str("DATABASE_URL", "") or f"sqlite:///{var_directory / 'volunteer.db'}"),
        valkey_url=_valkey_url(env.str("VALKEY_URL", "")),
        secret_key=_secret(env.str("SECRET_KEY", DEVELOPMENT_SECRET)),
        secret_key_previous=_secret(env.str("SECRET_KEY_PREVIOUS", ""), "SECRET_KEY_PREVIOUS") or None,
        public_base_url=env.str("PUBLIC_BASE_URL", f"http://127.0.0.1:{load_port()}").rstrip("/"),
        var_directory=var_directory,
        zone=_zone(env.str("TIME_ZONE", "Asia/Shanghai")),
        limits=env.bool("LIMITS", True),
        trusted_proxies=env.int("TRUSTED_PROXIES", 0, validate=validate.Range(0, 10)),
        log_level=env.str("LOG_LEVEL", "INFO", validate=validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"])),
        read_timeout_seconds=env.int("READ_TIMEOUT_SECONDS", 10, validate=validate.Range(1, 60)),
        web_workers=env.int("WEB_WORKERS", 2, validate=validate.Range(1, 200)),
        sms_sender=env.str("SMS_SENDER", "") or "console",
        sms=SmsAccount(**{name: env.str(f"SMS_{name.upper()}", "") for name in SmsAccount.__dataclass_fields__}),
        push=_push(env),
        s3=_s3(env),
        codes_a_day_per_address=env.int("CODES_A_DAY_PER_ADDRESS", 600, validate=validate.Range(1)),
        codes_a_day=env.int("CODES_A_DAY", 10_000, validate=validate.Range(1)),
        metrics_token=_secret(env.str("METRICS_TOKEN", ""), "METRICS_TOKEN") or None,
    )
    _judge_sender(settings)
    if settings.production:
        _judge_production(
            settings,
            debug=env.bool("FLASK_DEBUG", False),
            chosen={name for name in CHOSEN_IN_PRODUCTION if env.str(name, "")},
        )
    return settings


def load_port() -> int:
    """The port on the loopback address to serve at: PORT, or 8000. Raises BadEnvironment."""
    try:
        text = FileAwareEnv().str("PORT", "") or "8000"
    except (EnvError, ValueError, OSError) as error:
        raise BadEnvironment(_line(error)) from error
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise BadEnvironment(f"PORT {text!r} is not a port number from 1 to 65535.")
    return int(text)


def _line(error: Exception) -> str:
    """One line for a person, without bytes that no terminal can print."""
    return " ".join(str(error).split()).encode("utf-8", "backslashreplace").decode()


def _secret(text: str, name: str = "SECRET_KEY") -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadEnvironment(f"{name} is not UTF-8 text.") from error
    return text


def _database_url(text: str) -> str:
    try:
        url = make_url(text)
        text.encode("utf-8")
    except (ArgumentError, ValueError) as error:
        # The text of the error may hold the password.
        raise BadEnvironment("DATABASE_URL is not a database URL.") from error
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    if url.drivername != "sqlite":
        raise BadEnvironment(f"DATABASE_URL names {url.drivername!r}; use sqlite or postgresql.")
    if url.query:
        raise BadEnvironment("DATABASE_URL of a SQLite file takes no arguments after a question mark.")
    if url.database in (None, "", ":memory:") or str(url.database).startswith("file:"):
        raise BadEnvironment("DATABASE_URL must name a SQLite file: an in-memory database is lost at exit.")
    # As in the default, and for all who read it: a relative path begins in the project's folder.
    return url.set(database=str(PROJECT_DIRECTORY / str(url.database))).render_as_string(hide_password=False)


def _valkey_url(text: str) -> str | None:
    if not text:
        return None
    scheme, found, rest = text.partition("://")
    if not found or scheme not in ("valkey", "redis", "valkeys", "rediss", "unix"):
        raise BadEnvironment("VALKEY_URL is not a valkey:// or redis:// URL.")
    try:
        text.encode("utf-8")
        # Reading the port is what judges it.
        well_formed = urlsplit(text).port != 0
    except ValueError:
        well_formed = False
    if not well_formed:
        raise BadEnvironment("VALKEY_URL has no usable host and port.")
    # The client library knows only the older names.
    return f"{scheme.replace('valkey', 'redis')}://{rest}"


def _push(env: FileAwareEnv) -> PushSettings:
    """Half of what a provider needs is refused everywhere: phones would be told that they hear of news."""
    names = ("WEB_PUSH_KEY", "WEB_PUSH_CONTACT", "JPUSH_APP_KEY", "JPUSH_MASTER_SECRET", "JPUSH_ENDPOINT")
    given = {name: text for name in names if (text := env.str(name, ""))}
    for one, other in ((names[0], names[1]), (names[1], names[0]), (names[2], names[3]), (names[3], names[2])):
        if one in given and other not in given:
            raise BadEnvironment(f"{one} is set: set {other} too.")
    if not WEB_PUSH_KEY.fullmatch(given.get("WEB_PUSH_KEY", "A" * 43)):
        raise BadEnvironment("WEB_PUSH_KEY is no private key of 32 bytes in base64url.")
    if not given.get("WEB_PUSH_CONTACT", "mailto:").startswith(("mailto:", "https://")):
        raise BadEnvironment("WEB_PUSH_CONTACT is a mailto: or https:// address.")
    if not given.get("JPUSH_ENDPOINT", "https://").startswith(("https://", "http://")):
        raise BadEnvironment("JPUSH_ENDPOINT is not an http:// or https:// URL.")
    hosts = tuple(one.strip().lower() for one in env.str("WEB_PUSH_HOSTS", "").split(",") if one.strip())
    if bad := [one for one in hosts if not HOST_ENTRY.fullmatch(one)]:
        raise BadEnvironment(f"WEB_PUSH_HOSTS: {bad[0]!r} is no host like push.example.com or .example.com.")
    return PushSettings(
        **{name.lower(): text for name, text in given.items()},
        web_push_hosts=hosts or WEB_PUSH_HOSTS,
        jpush_apns_production=env.bool("JPUSH_APNS_PRODUCTION", True),
        jpush_channels=_json_object(env.str("JPUSH_CHANNELS", ""), "JPUSH_CHANNELS"),
    )


def _json_object(text: str, name: str) -> str:
    try:
        if not text or isinstance(json.loads(text), dict):
            return text
    except ValueError:
        pass
    raise BadEnvironment(f"{name} is no JSON object.")


def _s3(env: FileAwareEnv) -> S3Settings | None:
    """Where photos lie: None for the folder `files` of VAR_DIR."""
    store = env.str("FILE_STORE", "") or "folder"
    if store == "folder":
        return None
    if store != "s3":
        raise BadEnvironment(f"FILE_STORE {store!r} is none of: folder, s3.")
    names = ("S3_BUCKET", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY")
    values = {name: env.str(name, "") for name in names}
    for name, value in values.items():
        if not value:
            raise BadEnvironment(f"{name} must be set where FILE_STORE is 's3'.")
    endpoint = env.str("S3_ENDPOINT", "") or None
    if endpoint is not None and not endpoint.startswith(("https://", "http://")):
        raise BadEnvironment("S3_ENDPOINT is not an http:// or https:// URL.")
    return S3Settings(
        endpoint=endpoint,
        bucket=values["S3_BUCKET"],
        region=env.str("S3_REGION", "") or "us-east-1",
        access_key_id=values["S3_ACCESS_KEY_ID"],
        secret_access_key=values["S3_SECRET_ACCESS_KEY"],
        prefix=_s3_prefix(env.str("S3_PREFIX", "") or S3Settings.prefix),
    )


def _s3_prefix(text: str) -> str:
    """Raises BadEnvironment for one that could not begin an object's key."""
    if not S3_PREFIX.fullmatch(text):
        raise BadEnvironment("S3_PREFIX is up to 100 letters, digits, '.', '_', '-' and '/', and ends with '/'.")
    return text


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise BadEnvironment(f"TIME_ZONE {name!r} is not a time zone of the IANA database.") from error


def _judge_sender(settings: Settings) -> None:
    if settings.sms_sender not in SMS_NEEDS:
        raise BadEnvironment(f"SMS_SENDER {settings.sms_sender!r} is none of: {', '.join(SMS_NEEDS)}.")
    missing = [f"SMS_{name.upper()}" for name in SMS_NEEDS[settings.sms_sender] if not getattr(settings.sms, name)]
    if missing:
        raise BadEnvironment(f"SMS_SENDER is {settings.sms_sender}: set {', '.join(missing)} too.")


def _judge_production(settings: Settings, *, debug: bool, chosen: Set[str]) -> None:
    # All at once: who sets a district up would else learn of them one start at a time.
    plain = {
        "SECRET_KEY must be set to at least 32 random characters in production.": _is_weak(settings.secret_key),
        "LIMITS=0 is refused in production.": not settings.limits,
        "FLASK_DEBUG is refused in production.": debug,
    }
    wrong = [said for said, is_so in plain.items() if is_so]
    wrong += [
        f"{name} must be set in production: {why}" for name, why in CHOSEN_IN_PRODUCTION.items() if name not in chosen
    ]
    if wrong:
        raise BadEnvironment(" ".join(wrong))
    if settings.secret_key_previous is not None and _is_weak(settings.secret_key_previous):
        raise BadEnvironment(
            "SECRET_KEY_PREVIOUS is known or short, and what it signed would still be taken: run "
            "`volunteer-api keys rewrap` with APP_ENV=development, then leave it out."
        )
    if settings.metrics_token is not None and len(settings.metrics_token) < 32:
        raise BadEnvironment("METRICS_TOKEN must have at least 32 random characters in production.")
    address = urlsplit(settings.public_base_url)
    if address.scheme not in ("https", "http") or not address.hostname:
        raise BadEnvironment("PUBLIC_BASE_URL must begin with https:// and name a host.")
    if _is_this_machine(address.hostname):
        raise BadEnvironment("PUBLIC_BASE_URL names this machine alone: what is printed would lead nowhere.")
    url = make_url(settings.database_url)
    if url.drivername == "sqlite" and _file_system(url) in NETWORK_FILE_SYSTEMS:
        raise BadEnvironment("DATABASE_URL is a SQLite file on a network file system, which can corrupt it.")


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _is_weak(secret: str) -> bool:
    # What was drawn at random has far more than eight different characters, in hexadecimal too.
    return secret == DEVELOPMENT_SECRET or len(secret) < 32 or len(set(secret)) < 8


def _file_system(url: URL) -> str:
    """The type of the file system that holds the database file, "" where the system does not tell."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return ""
    path = Path(url.database or "").resolve()
    best_point, best_type = Path("/"), ""
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        _, point_text, kind, *_ = line.split(" ")
        point = Path(point_text.replace("\\040", " "))
        if path.is_relative_to(point) and len(point.parts) >= len(best_point.parts):
            best_point, best_type = point, kind
    return best_type
