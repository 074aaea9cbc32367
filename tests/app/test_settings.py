"""Settings: what is refused, with a sentence that says what would be right, and what is made for development."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from tortoise.connection import get_connection

from app.demo import banner
from app.settings import Settings
from tests.support.processes import free_port
from tests.support.service import JWT_SECRET, WEBHOOK_SECRET, Service, beside, settings_for

ROOT = Path(__file__).parents[2]


def command(name: str, data_dir: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 our own command
        [sys.executable, "-c", "from app.cli import main; main()", name],
        env={"PATH": "/usr/bin:/bin", "CREDITS_DATA_DIR": str(data_dir), **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"STRIPE_SECRET_KEY": "sk_live_1", "SANDBOX": "true"}, "SANDBOX is on with a live Stripe key"),
        ({"STRIPE_SECRET_KEY": "rk_live_1", "SANDBOX": "1"}, "SANDBOX is on with a live Stripe key"),
        ({"STRIPE_SECRET_KEY": "pk_live_1"}, "STRIPE_SECRET_KEY is no secret key"),
        ({"STRIPE_SECRET_KEY": " sk_live_1"}, "STRIPE_SECRET_KEY is no secret key"),
        ({"STRIPE_SECRET_KEY": "SK_LIVE_1"}, "STRIPE_SECRET_KEY is no secret key"),
        ({"JWT_SECRET": "short"}, "JWT_SECRET is shorter than 32 characters"),
        ({"SERVICE_KEYS": "staging"}, "SERVICE_KEYS wants name:secret"),
        ({"SERVICE_KEYS": "staging:short"}, "SERVICE_KEYS wants name:secret"),
        ({"PURCHASE_PAGE": "https://app.example/purchases"}, "PURCHASE_PAGE wants an address with {id} in it"),
        ({"PURCHASE_PAGE": "javascript:{id}"}, "PURCHASE_PAGE wants an address with {id} in it"),
        ({"SMTP_URL": "smtp://localhost"}, "MAIL_FROM wants one address"),
        ({"PORT": "70000"}, "PORT"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT"),
        ({"DATABASE_URL": "postgresql://localhost/x"}, "JWT_SECRET is not set"),
        ({"DATABASE_URL": "postgresql://localhost/x", "JWT_SECRET": JWT_SECRET}, "STRIPE_WEBHOOK_SECRET is not set"),
    ],
)
def test_settings_that_do_not_add_up_are_refused_with_a_sentence(
    tmp_path: Path, environment: dict[str, str], sentence: str
) -> None:
    ended = command("serve", tmp_path, **environment)

    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_demonstration_with_a_live_key_is_refused(tmp_path: Path) -> None:
    ended = command("demo", tmp_path, STRIPE_SECRET_KEY="sk_live_1")

    assert ended.returncode == 2
    assert "live Stripe key" in ended.stderr


def test_a_worker_of_its_own_wants_a_database_and_redis(tmp_path: Path) -> None:
    ended = command("worker", tmp_path)

    assert ended.returncode == 2
    assert "DATABASE_URL and REDIS_URL" in ended.stderr


def test_secrets_for_development_are_made_once_and_for_their_owner_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDITS_DATA_DIR", str(tmp_path / "data"))

    first, second = Settings.load(), Settings.load()

    assert first.jwt_secret == second.jwt_secret
    assert len(first.jwt_secret.get_secret_value()) == 64
    assert (tmp_path / "data" / "secrets.env").stat().st_mode & 0o077 == 0


def test_no_secret_is_shown_when_settings_are_printed(tmp_path: Path) -> None:
    settings = settings_for(8000, data_dir=tmp_path)

    assert JWT_SECRET not in repr(settings)
    assert WEBHOOK_SECRET not in repr(settings)
    assert "svc_" not in repr(settings)


@pytest.mark.parametrize(
    ("key", "sandbox", "mode", "mounted"),
    [
        ("", None, "sandbox", True),
        ("sk_test_1", None, "test", False),
        ("rk_test_1", None, "test", False),
        ("sk_test_1", True, "sandbox", True),
        ("rk_live_1", None, "live", False),
        ("sk_live_1", None, "live", False),
        ("sk_live_1", False, "live", False),
    ],
)
def test_the_sandbox_is_mounted_only_without_live_keys(
    tmp_path: Path, key: str, sandbox: bool | None, mode: str, mounted: bool
) -> None:
    settings = settings_for(8000, data_dir=tmp_path, stripe_secret_key=key, sandbox=sandbox)

    assert (settings.mode, settings.sandboxed) == (mode, mounted)


async def test_readiness_tells_the_mode(service: Service) -> None:
    async with beside(service, stripe_secret_key=SecretStr("rk_test_1")) as test:
        in_test = (await test.http.get("/readyz")).json()
    async with beside(service, stripe_secret_key=SecretStr("rk_live_1")) as live:
        in_live = (await live.http.get("/readyz")).json()
    in_sandbox = (await service.http.get("/readyz")).json()

    assert [each["mode"] for each in (in_sandbox, in_test, in_live)] == ["sandbox", "test", "live"]
    assert all(each["ready"] for each in (in_sandbox, in_test, in_live))


@pytest.mark.parametrize(("key", "mode"), [("", "sandbox"), ("sk_test_1", "test"), ("rk_test_1", "test")])
def test_the_banner_tells_the_mode(service: Service, tmp_path: Path, key: str, mode: str) -> None:
    settings = settings_for(8000, data_dir=tmp_path, stripe_secret_key=key)

    shown = banner(settings, service.demo, tmp_path / "demo.json")

    assert f"    Mode        {mode}\n" in shown


def test_live_keys_and_the_sandbox_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        settings_for(8000, data_dir=tmp_path, stripe_secret_key="sk_live_1", sandbox=True)


async def test_live_keys_do_not_meet_a_clock_that_was_moved(
    service: Service, database_url: str, tmp_path: Path
) -> None:
    live = {
        "DATABASE_URL": database_url,
        "JWT_SECRET": JWT_SECRET,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "STRIPE_SECRET_KEY": "sk_live_1",
        "PORT": str(free_port()),
    }
    await service.http.post("/sandbox/clock", json={"advance_s": 1})
    try:
        ended = await asyncio.to_thread(command, "serve", tmp_path, **live)
    finally:
        await get_connection("default").execute_query("DELETE FROM clock_offset")

    assert ended.returncode == 2
    assert "clock was moved" in ended.stderr


def test_while_a_webhook_secret_is_rolled_both_may_sign(tmp_path: Path) -> None:
    settings = settings_for(8000, data_dir=tmp_path, stripe_webhook_secret=SecretStr("whsec_new, whsec_old"))

    settings.require_secrets()

    assert settings.stripe_webhook_secrets == ("whsec_new", "whsec_old")


@pytest.mark.parametrize("secrets", ["", ",", "whsec_new,", " ,whsec_old"])
def test_no_webhook_secret_may_be_empty(tmp_path: Path, secrets: str) -> None:
    settings = settings_for(8000, data_dir=tmp_path, stripe_webhook_secret=SecretStr(secrets))

    with pytest.raises(ValueError, match="STRIPE_WEBHOOK_SECRET is not set"):
        settings.require_secrets()
