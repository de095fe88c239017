"""Settings: what is read, what is refused, and that a refusal names its variable."""

from pathlib import Path

import pytest

from volunteer_api.config import DEVELOPMENT_SECRET, PROJECT_DIRECTORY, BadEnvironment, load_port, load_settings

GOOD_SECRET = "0123456789abcdef0123456789abcdef"
PRODUCTION = {
    "APP_ENV": "production",
    "SMS_SENDER": "console",
    "TRUSTED_PROXIES": "1",
    "PUBLIC_BASE_URL": "https://volunteers.example.cn",
}


def test_development_needs_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("APP_ENV", "development")
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    settings = load_settings()
    assert settings.database_url == f"sqlite:///{tmp_path}/volunteer.db"
    assert settings.limits
    assert settings.secret_key == DEVELOPMENT_SECRET
    assert str(settings.zone) == "Asia/Shanghai"
    assert not settings.production


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_ENV", "staging"),
        ("DATABASE_URL", "mysql://host/name"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", "?"),
        ("DATABASE_URL", "postgresql://h:abc/db"),
        ("DATABASE_URL", "sqlite:///file:foo?mode=memory&uri=true"),
        ("DATABASE_URL", "sqlite:///file:foo"),
        ("DATABASE_URL", "sqlite:////tmp/volunteer.db?timeout=1"),
        ("DATABASE_URL_FILE", "/nonexist"),
        ("SECRET_KEY", "\udcff\udcfe" * 20),
        ("SECRET_KEY_FILE", "/nonexist"),
        ("PORT_FILE", "/nonexist"),
        ("READ_TIMEOUT_SECONDS", "0"),
        ("SMS_SENDER", "pigeon"),
        ("VALKEY_URL", "redis://h:port"),
        ("VALKEY_URL", "memcached://host"),
        ("TIME_ZONE", "Mars/Olympus"),
        ("TIME_ZONE", "../etc/passwd"),
        ("LIMITS", "perhaps"),
        ("METRICS_TOKEN", "\udcff" * 40),
        ("CODES_A_DAY", "0"),
        ("TRUSTED_PROXIES", "-1"),
        ("TRUSTED_PROXIES", "many"),
        ("LOG_LEVEL", "LOUD"),
        ("PORT", "0"),
        ("PORT", "٨٠"),
    ],
)
def test_a_bad_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadEnvironment, match=name) as refusal:
        load_settings()
    assert "\n" not in str(refusal.value)


def test_a_relative_path_begins_in_the_projects_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "sqlite:///var/volunteer.db")
    monkeypatch.setenv("VAR_DIR", "elsewhere")
    settings = load_settings()
    assert settings.database_url == f"sqlite:///{PROJECT_DIRECTORY}/var/volunteer.db"
    assert settings.var_directory == PROJECT_DIRECTORY / "elsewhere"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_is_always_psycopg(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://somebody:secret@host/name")
    assert load_settings().database_url == "postgresql+psycopg://somebody:secret@host/name"


@pytest.mark.parametrize(
    ("given", "used"),
    [("", None), ("valkey://host:1/0", "redis://host:1/0"), ("redis://host", "redis://host")],
)
def test_valkey_has_two_names(monkeypatch: pytest.MonkeyPatch, given: str, used: str | None) -> None:
    monkeypatch.setenv("VALKEY_URL", given)
    assert load_settings().valkey_url == used


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"SECRET_KEY": GOOD_SECRET, "SMS_SENDER": ""}, "SMS_SENDER"),
        ({"SECRET_KEY": GOOD_SECRET, "TRUSTED_PROXIES": None}, "TRUSTED_PROXIES must be set"),
        ({"SECRET_KEY": GOOD_SECRET, "PUBLIC_BASE_URL": ""}, "PUBLIC_BASE_URL must be set"),
        ({"SECRET_KEY": GOOD_SECRET, "PUBLIC_BASE_URL": "http://127.0.0.1:8000"}, "PUBLIC_BASE_URL names this machine"),
        ({"SECRET_KEY": GOOD_SECRET, "PUBLIC_BASE_URL": "http://0.0.0.0:8000"}, "PUBLIC_BASE_URL names this machine"),
        ({"SECRET_KEY": GOOD_SECRET, "PUBLIC_BASE_URL": "http://[::1]"}, "PUBLIC_BASE_URL names this machine"),
        ({"SECRET_KEY": GOOD_SECRET, "PUBLIC_BASE_URL": "volunteers.example.cn"}, "must begin with https://"),
        ({"SECRET_KEY": GOOD_SECRET, "PUBLIC_BASE_URL": "https:/volunteers.example.cn"}, "must begin with https://"),
        ({"SECRET_KEY": "abcdefg" * 6}, "SECRET_KEY"),
        ({"SECRET_KEY": GOOD_SECRET, "SECRET_KEY_PREVIOUS": DEVELOPMENT_SECRET}, "SECRET_KEY_PREVIOUS"),
        ({"SECRET_KEY": GOOD_SECRET, "SECRET_KEY_PREVIOUS": "short"}, "SECRET_KEY_PREVIOUS"),
        ({"SECRET_KEY": GOOD_SECRET, "FLASK_DEBUG": "maybe"}, "FLASK_DEBUG"),
        ({}, "SECRET_KEY"),
        ({"SECRET_KEY": DEVELOPMENT_SECRET}, "SECRET_KEY"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY"),
        ({"SECRET_KEY": GOOD_SECRET, "LIMITS": "0"}, "LIMITS"),
        ({"SECRET_KEY": GOOD_SECRET, "METRICS_TOKEN": "short"}, "METRICS_TOKEN"),
        ({"SECRET_KEY": GOOD_SECRET, "FLASK_DEBUG": "1"}, "FLASK_DEBUG"),
    ],
)
def test_production_is_strict(monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None], word: str) -> None:
    for name, value in (PRODUCTION | changes).items():
        if value is not None:
            monkeypatch.setenv(name, value)
    with pytest.raises(BadEnvironment, match=word):
        load_settings()


def test_what_production_lacks_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    for name in PRODUCTION:
        if name != "APP_ENV":
            monkeypatch.delenv(name, raising=False)
    with pytest.raises(BadEnvironment) as refused:
        load_settings()
    assert all(
        name in str(refused.value) for name in ("SECRET_KEY", "SMS_SENDER", "TRUSTED_PROXIES", "PUBLIC_BASE_URL")
    )


def test_production_starts_with_a_good_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (PRODUCTION | {"SECRET_KEY": GOOD_SECRET}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SMS_SENDER")
    with pytest.raises(BadEnvironment, match="SMS_SENDER"):
        load_settings()
    # The console prints one-time codes: whoever wants that in production has to say so.
    monkeypatch.setenv("SMS_SENDER", "console")
    assert load_settings().production


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(GOOD_SECRET)
    monkeypatch.setenv("SECRET_KEY_FILE", str(path))
    assert load_settings().secret_key == GOOD_SECRET


def test_the_public_address_follows_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "8123")
    assert load_port() == 8123
    assert load_settings().public_base_url == "http://127.0.0.1:8123"
