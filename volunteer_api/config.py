"""Typed settings from the environment. Nothing else in the project reads the environment."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from environs import EnvError, FileAwareEnv, validate
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

PROJECT_DIRECTORY = Path(__file__).resolve().parent.parent
DEVELOPMENT_SECRET = "development-only-secret-never-for-a-real-district"  # noqa: S105  # refused in production
NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs"}


class BadEnvironment(Exception):
    """The environment can't start the server; its text is the one line that a person needs."""


@dataclass(frozen=True)
class Rules:
    """The deployment's own choices inside the domain's rules. Each has the default of the glossary."""

    code_lifetime_seconds: int = 300
    code_tries: int = 5
    code_interval_seconds: int = 60
    check_in_opens_minutes: int = 30
    fence_m: int = 300
    accuracy_cap_m: int = 200
    late_evidence_hours: int = 72
    future_evidence_seconds: int = 300
    credited_minutes_a_day: int = 480
    promotion_closes_minutes: int = 120
    late_withdrawal_minutes: int = 180
    promotion_grace_minutes: int = 60
    attendances_for_held_shift: int = 1
    backdating_days: int = 30
    near_expiry_days: int = 30
    audit_days: int = 1095
    erasure_days: int = 7


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
    sms_sender: str = "console"

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
    var_directory = Path(env.str("VAR_DIR", str(PROJECT_DIRECTORY / "var"))).resolve()
    settings = Settings(
        environment=env.str("APP_ENV", "development", validate=validate.OneOf(["development", "test", "production"])),
        database_url=_database_url(env.str("DATABASE_URL", "") or f"sqlite:///{var_directory / 'volunteer.db'}"),
        valkey_url=_valkey_url(env.str("VALKEY_URL", "")),
        secret_key=_secret_key(env.str("SECRET_KEY", DEVELOPMENT_SECRET)),
        public_base_url=env.str("PUBLIC_BASE_URL", f"http://127.0.0.1:{load_port()}").rstrip("/"),
        var_directory=var_directory,
        zone=_zone(env.str("TIME_ZONE", "Asia/Shanghai")),
        limits=env.bool("LIMITS", True),
        trusted_proxies=env.int("TRUSTED_PROXIES", 0, validate=validate.Range(0, 10)),
        log_level=env.str("LOG_LEVEL", "INFO", validate=validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"])),
        read_timeout_seconds=env.int("READ_TIMEOUT_SECONDS", 10, validate=validate.Range(1, 60)),
        sms_sender=env.str("SMS_SENDER", "") or "console",
    )
    if settings.sms_sender != "console":
        raise BadEnvironment("SMS_SENDER: this release has only the sender 'console'.")
    if settings.production:
        _judge_production(
            settings, debug=env.bool("FLASK_DEBUG", False), sender_is_chosen=bool(env.str("SMS_SENDER", ""))
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


def _secret_key(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadEnvironment("SECRET_KEY is not UTF-8 text.") from error
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
    return url.render_as_string(hide_password=False)


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


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise BadEnvironment(f"TIME_ZONE {name!r} is not a time zone of the IANA database.") from error


def _judge_production(settings: Settings, *, debug: bool, sender_is_chosen: bool) -> None:
    if settings.secret_key == DEVELOPMENT_SECRET or len(settings.secret_key) < 32:
        raise BadEnvironment("SECRET_KEY must be set to at least 32 random characters in production.")
    if not settings.limits:
        raise BadEnvironment("LIMITS=0 is refused in production.")
    if debug:
        raise BadEnvironment("FLASK_DEBUG is refused in production.")
    if not sender_is_chosen:
        raise BadEnvironment(
            "SMS_SENDER must be set in production; 'console', the only sender of this release, prints one-time codes."
        )
    url = make_url(settings.database_url)
    if url.drivername == "sqlite" and _file_system(url) in NETWORK_FILE_SYSTEMS:
        raise BadEnvironment("DATABASE_URL is a SQLite file on a network file system, which can corrupt it.")


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
