"""Every setting of the service: one class, read from the environment and, below it, the data folder's own file.

`.env.example` and the README's table are made from this class (`credits settings`), so they cannot disagree with it.
"""

import base64
import hashlib
import secrets
from email.headerregistry import Address
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app import smtp
from credits.access.providers import Provider
from credits.accounts.models import NAME_LENGTH

LIVE_PREFIXES = ("sk_live_", "rk_live_")
TEST_PREFIXES = ("sk_test_", "rk_test_")
# Whoever could change the keys on their way could sign anything: in the clear only on this machine.
_KEYS_AT = ("https://", "http://127.0.0.1:", "http://localhost:")

_FERNET_KEY_LENGTH = 44
_MAKE_KEY = "openssl rand -base64 32 | tr '+/' '-_'"


def _env(name: str) -> AliasChoices:
    """The variable's name is the whole name: some (PORT, DATABASE_URL) are everybody's and take no prefix."""
    return AliasChoices(name)


class Settings(BaseSettings):
    """Built by `Settings.load()`; refused with a sentence that says what to set where something is wrong."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, populate_by_name=True)

    host: str = Field("127.0.0.1", validation_alias=_env("HOST"), description="Address to listen on.")
    port: int = Field(8000, ge=1, le=65535, validation_alias=_env("PORT"), description="Port to listen on.")
    public_url: str = Field(
        "",
        validation_alias=_env("PUBLIC_URL"),
        description="Where browsers reach the service; `http://HOST:PORT` when empty.",
    )
    data_dir: Path = Field(
        Path(".credits"),
        validation_alias=_env("CREDITS_DATA_DIR"),
        description="Folder of the embedded database and the secrets made for development.",
    )
    database_url: str = Field(
        "",
        validation_alias=_env("DATABASE_URL"),
        description="PostgreSQL 15 or later, `postgresql://user:password@host/database`; embedded when empty.",
    )
    database_pool: int = Field(
        20, ge=2, validation_alias=_env("DATABASE_POOL"), description="Connections to the database per process."
    )
    redis_url: str = Field(
        "",
        validation_alias=_env("REDIS_URL"),
        description="Redis 7 or later for jobs and live balances; without it both stay within the one process.",
    )
    jwt_secret: SecretStr = Field(
        SecretStr(""),
        validation_alias=_env("JWT_SECRET"),
        description="Secret of HS256 bearer tokens, at least 32 characters; made for you when embedded.",
    )
    jwt_issuer: str = Field("staging-credits", validation_alias=_env("JWT_ISSUER"), description="`iss` of tokens.")
    jwt_audience: str = Field("staging-credits", validation_alias=_env("JWT_AUDIENCE"), description="`aud` of tokens.")
    jwt_providers: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=_env("JWT_PROVIDERS"),
        description="Identity providers whose RS256 and ES256 tokens are believed, by commas: each its issuer, the "
        "audiences that are ours and the address of its JWKS, by spaces.",
    )
    self_sign_up: bool = Field(
        True,
        validation_alias=_env("SELF_SIGN_UP"),
        description="A stranger's first valid token makes an account of their own; when off, people have to be added.",
    )
    operators: Annotated[tuple[str, ...], NoDecode] = Field(
        (), validation_alias=_env("OPERATORS"), description="E-mail addresses of the platform's staff, by commas."
    )
    service_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        validation_alias=_env("SERVICE_KEYS"),
        description="Keys of the platform's own staging engine, `name:secret`, by commas; secrets of 32 or more.",
    )
    stripe_secret_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=_env("STRIPE_SECRET_KEY"),
        description="Stripe's secret key; without it the sandbox plays Stripe.",
    )
    stripe_webhook_secret: SecretStr = Field(
        SecretStr(""),
        validation_alias=_env("STRIPE_WEBHOOK_SECRET"),
        description="Signing secret of Stripe's webhook endpoint; while it is rolled both, by commas; made for you "
        "when embedded.",
    )
    slack_bot_token: SecretStr = Field(
        SecretStr(""),
        validation_alias=_env("SLACK_BOT_TOKEN"),
        description="The Slack app's bot token, `xoxb-…`; without it the sandbox plays Slack.",
    )
    slack_signing_secret: SecretStr = Field(
        SecretStr(""),
        validation_alias=_env("SLACK_SIGNING_SECRET"),
        description="What Slack signs interactions with; while it is rotated both, by commas; made for you when "
        "embedded.",
    )
    slack_team_id: str = Field(
        "",
        validation_alias=_env("SLACK_TEAM_ID"),
        description="The bot token's workspace, `T…` (`E…` where the app is installed for an enterprise).",
    )
    slack_enterprise_id: str = Field(
        "",
        validation_alias=_env("SLACK_ENTERPRISE_ID"),
        description="The enterprise of that workspace, `E…`, if it belongs to one.",
    )
    slack_client_id: str = Field(
        "",
        validation_alias=_env("SLACK_CLIENT_ID"),
        description="With it each account connects a workspace of its own, and the bot token's is the platform's; "
        "without it all accounts share that one.",
    )
    slack_client_secret: SecretStr = Field(
        SecretStr(""), validation_alias=_env("SLACK_CLIENT_SECRET"), description="The Slack app's client secret."
    )
    slack_token_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        validation_alias=_env("SLACK_TOKEN_KEYS"),
        description="Keys that connected workspaces' tokens are kept under (32 bytes in URL-safe base64), by commas, "
        "the first for new ones.",
    )
    slack_link_page: str = Field(
        "",
        validation_alias=_env("SLACK_LINK_PAGE"),
        description="Where your pages let whoever is signed in link their Slack user (`linkSlackUser`, with the "
        "address's `token`); people in Slack who are not linked are sent there.",
    )
    slack_pace_s: float = Field(
        1.0,
        ge=0,
        validation_alias=_env("SLACK_PACE_S"),
        description="Seconds between two messages to one Slack channel; Slack itself allows one a second.",
    )
    operators_channel: str = Field(
        "",
        validation_alias=_env("OPERATORS_CHANNEL"),
        description="The platform's own Slack channel: payments that fit no purchase, prices asked for; the log has "
        "them too.",
    )
    smtp_url: SecretStr = Field(
        SecretStr(""),
        validation_alias=_env("SMTP_URL"),
        description="Mail server, `smtp://user:password@host:587` (STARTTLS, but on this machine) or "
        "`smtps://user:password@host:465`; without it the sandbox takes the mail, or nobody does.",
    )
    mail_from: str = Field(
        "",
        validation_alias=_env("MAIL_FROM"),
        description="Whom mail is from, as in `Staging Credits <credits@example.com>`; wanted with SMTP_URL.",
    )
    sandbox: bool | None = Field(
        None,
        validation_alias=_env("SANDBOX"),
        description="Mount the local Stripe, Slack, mailbox and clock. On without a Stripe key; never with a live one.",
    )
    return_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=_env("RETURN_URLS"),
        description="Addresses that `returnUrl` may begin with, by commas; PUBLIC_URL always may.",
    )
    purchase_page: str = Field(
        "",
        validation_alias=_env("PURCHASE_PAGE"),
        description="Where your pages show a purchase, `https://…/{id}`: *View* on approvals opens it; without it a "
        "page of the service's own.",
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=_env("ALLOWED_ORIGINS"),
        description="Origins of other sites whose pages may call the API and open websockets, by commas.",
    )
    writer_accounts: str = Field(
        "many",
        pattern="^(many|one)$",
        validation_alias=_env("WRITER_ACCOUNTS"),
        description="`one` keeps each database transaction of the ledger to one account (a sharded database).",
    )
    checkout_wait_s: float = Field(
        4.0,
        gt=0,
        validation_alias=_env("CHECKOUT_WAIT_S"),
        description="How long `purchaseCredits` waits for Stripe before it answers without an address, in seconds.",
    )
    request_timeout_s: float = Field(
        5.0, gt=0, validation_alias=_env("REQUEST_TIMEOUT_S"), description="Longest an operation may take, in seconds."
    )
    max_body_bytes: int = Field(
        2 * 1024 * 1024, gt=0, validation_alias=_env("MAX_BODY_BYTES"), description="Largest request body, in bytes."
    )
    explorer: bool = Field(True, validation_alias=_env("EXPLORER"), description="Serve the explorer at /explorer.")
    log_format: str = Field(
        "text", pattern="^(text|json)$", validation_alias=_env("LOG_FORMAT"), description="`text` or `json`."
    )

    @field_validator(
        "jwt_providers",
        "operators",
        "service_keys",
        "slack_token_keys",
        "return_urls",
        "allowed_origins",
        mode="before",
    )
    @classmethod
    def _by_commas(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        secret_key = self.stripe_secret_key.get_secret_value()
        # Its beginning alone tells whether real money moves, so nothing is guessed.
        if secret_key and not secret_key.startswith(LIVE_PREFIXES + TEST_PREFIXES):
            raise ValueError(
                "STRIPE_SECRET_KEY is no secret key: those begin with sk_test_, rk_test_, sk_live_ or rk_live_."
            )
        if self.live and self.sandbox:
            raise ValueError("SANDBOX is on with a live Stripe key. Unset SANDBOX, or use a test key.")
        if self.jwt_secret.get_secret_value() and len(self.jwt_secret.get_secret_value()) < 32:
            raise ValueError("JWT_SECRET is shorter than 32 characters. Make one: openssl rand -hex 32")
        issuers = [self.jwt_issuer, *(provider.issuer for provider in self.identity_providers)]
        if len(set(issuers)) != len(issuers):
            raise ValueError("JWT_PROVIDERS names an issuer twice, or JWT_ISSUER. Each issuer has keys of its own.")
        page = self.purchase_page
        if page and not (page.startswith(("https://", "http://")) and "{id}" in page):
            raise ValueError("PURCHASE_PAGE wants an address with {id} in it, like https://app.example/purchases/{id}.")
        if self.slack_bot_token.get_secret_value() and not self.slack_team_id:
            raise ValueError(
                "SLACK_TEAM_ID is not set: whose people may press buttons? Slack shows it in its addresses."
            )
        if self.slack_link_page and not self.slack_link_page.startswith(("https://", "http://")):
            raise ValueError("SLACK_LINK_PAGE is no address. It begins with https://.")
        if self.slack_client_id and not (self.slack_client_secret.get_secret_value() and self.slack_token_keys):
            raise ValueError("SLACK_CLIENT_ID wants SLACK_CLIENT_SECRET and SLACK_TOKEN_KEYS beside it.")
        for each in self.slack_token_keys:
            if len(each.get_secret_value()) != _FERNET_KEY_LENGTH:
                raise ValueError("SLACK_TOKEN_KEYS wants keys of 32 bytes in base64. Make one: " + _MAKE_KEY)
        if self.smtp_url.get_secret_value():
            smtp.mail_server(self.smtp_url.get_secret_value())
        if self.mail_from or self.smtp_url.get_secret_value():
            smtp.sender(self.mail_from)
        for key in self.service_keys:
            name, _, secret = key.get_secret_value().partition(":")
            if not name or len(secret) < 32:
                raise ValueError("SERVICE_KEYS wants name:secret with a secret of at least 32 characters.")
        return self

    @property
    def embedded(self) -> bool:
        """No DATABASE_URL: PostgreSQL runs out of the data folder."""
        return not self.database_url

    @property
    def live(self) -> bool:
        """Real money is at stake."""
        return self.stripe_secret_key.get_secret_value().startswith(LIVE_PREFIXES)

    @property
    def mode(self) -> str:
        """`sandbox`, `test` (Stripe's own test mode) or `live`, as banner and readiness tell it."""
        return "live" if self.live else "sandbox" if self.sandboxed else "test"

    @property
    def sandboxed(self) -> bool:
        """The local Stripe, and the clock that can be moved, are mounted."""
        return not self.stripe_secret_key.get_secret_value() if self.sandbox is None else self.sandbox

    @property
    def slack(self) -> bool:
        """There is a Slack to talk to: the real one, or the sandbox's."""
        return bool(self.slack_bot_token.get_secret_value() or self.slack_client_id) or self.sandboxed

    @property
    def slack_played(self) -> bool:
        """The sandbox plays Slack."""
        return self.sandboxed and not (self.slack_bot_token.get_secret_value() or self.slack_client_id)

    @property
    def mail_server(self) -> smtp.MailServer | None:
        """The server of SMTP_URL."""
        return smtp.mail_server(self.smtp_url.get_secret_value()) if self.smtp_url.get_secret_value() else None

    @property
    def sender(self) -> Address:
        """Whom mail is from; in the sandbox somebody who cannot be written to."""
        return smtp.sender(self.mail_from or "Staging Credits <credits@sandbox.example>")

    @property
    def slack_signing_secrets(self) -> tuple[str, ...]:
        """All that may sign: while one is rotated SLACK_SIGNING_SECRET names both, by commas."""
        return tuple(each.strip() for each in self.slack_signing_secret.get_secret_value().split(","))

    @property
    def sealing_keys(self) -> tuple[str, ...]:
        """What tokens of connected workspaces are kept under; in the sandbox they open nothing and need no key of their
        own."""
        if self.slack_token_keys or not self.sandboxed:
            return tuple(key.get_secret_value() for key in self.slack_token_keys)
        digest = hashlib.sha256(b"sandbox: " + self.jwt_secret.get_secret_value().encode()).digest()
        return (base64.urlsafe_b64encode(digest).decode(),)

    @property
    def pictures(self) -> bool:
        """The chat can fetch pictures from this service: Slack takes no card with one that it cannot."""
        return self.slack_played or self.url.startswith("https://")

    @property
    def operators_at(self) -> str:
        """The channel in which the platform's staff is told; in the sandbox there always is one."""
        return self.operators_channel or ("#operators" if self.sandboxed else "")

    @cached_property
    def identity_providers(self) -> tuple[Provider, ...]:
        """Those of JWT_PROVIDERS."""
        return tuple(map(_provider, self.jwt_providers))

    @cached_property
    def url(self) -> str:
        """Where browsers reach the service, without a slash at the end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def local_url(self) -> str:
        """Where this process reaches itself: the sandbox is called over HTTP like the real thing."""
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104 compared, not bound
        return f"http://{host}:{self.port}"

    @property
    def stripe_key(self) -> str:
        """The key to call Stripe with; the sandbox takes any test key."""
        return self.stripe_secret_key.get_secret_value() or "sk_test_sandbox"

    @property
    def stripe_webhook_secrets(self) -> tuple[str, ...]:
        """All that may sign webhooks: while one is rolled STRIPE_WEBHOOK_SECRET names both, by commas."""
        return tuple(each.strip() for each in self.stripe_webhook_secret.get_secret_value().split(","))

    @classmethod
    def load(cls) -> "Settings":
        """Settings of this process: environment, then `.env`, then, when it is to run embedded, the data folder's
        `secrets.env`, where secrets that are missing are made. A deployment takes nothing from a folder in which
        somebody once tried the demonstration."""
        first = cls()
        secrets_file = first.data_dir / "secrets.env"
        if not first.embedded:
            first.require_secrets()
            return first
        _make_secrets(secrets_file)
        settings = cls(_env_file=(secrets_file, ".env"))
        settings.require_secrets()
        return settings

    def require_secrets(self) -> None:
        """Refuse to run with an empty secret: whoever knows that it is empty could sign anything."""
        if not self.jwt_secret.get_secret_value():
            raise ValueError("JWT_SECRET is not set. Make one: openssl rand -hex 32")
        if not all(self.stripe_webhook_secrets):
            raise ValueError("STRIPE_WEBHOOK_SECRET is not set. Stripe's dashboard shows it beside the endpoint.")
        if self.slack and not all(self.slack_signing_secrets):
            raise ValueError("SLACK_SIGNING_SECRET is not set. Slack shows it under the app's Basic Information.")


def _provider(entry: str) -> Provider:
    words = entry.split()
    if len(words) < 3 or len(words[0]) > NAME_LENGTH or not words[-1].startswith(_KEYS_AT):
        raise ValueError("JWT_PROVIDERS wants for each: issuer audience https://address-of-its-JWKS")
    return Provider(issuer=words[0], audiences=tuple(words[1:-1]), keys_url=words[-1])


def _make_secrets(file: Path) -> None:
    """Add those secrets that the file does not have yet."""
    made = {
        "JWT_SECRET": secrets.token_hex(32),
        "STRIPE_WEBHOOK_SECRET": f"whsec_{secrets.token_hex(24)}",
        "SLACK_SIGNING_SECRET": secrets.token_hex(16),
        "SERVICE_KEYS": f"staging:svc_{secrets.token_hex(24)}",
        "OPERATORS": "operator@demo.example",
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    text = file.read_text(encoding="utf-8") or "# Made for development on this machine. A line removed is made anew.\n"
    there = {line.partition("=")[0] for line in text.splitlines()}
    missing = [f"{name}={value}\n" for name, value in made.items() if name not in there]
    if missing:
        file.write_text(text + "".join(missing), encoding="utf-8")


def _entries() -> list[tuple[str, str, str]]:
    """Name, default and meaning of each setting, in the order of the class."""
    found = []
    for field in Settings.model_fields.values():
        assert isinstance(field.validation_alias, AliasChoices)  # noqa: S101 for mypy: `_env` made it
        default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
        shown = "" if default in (None, "", ()) else str(default)
        found.append((str(field.validation_alias.choices[0]), shown, field.description or ""))
    return found


def markdown_table() -> str:
    """For the README."""
    rows = [f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |" for name, default, meaning in _entries()]
    return "\n".join(["| variable | default | meaning |", "| --- | --- | --- |", *rows])


def env_example() -> str:
    """For `.env.example`."""
    return "\n\n".join(f"# {meaning}\n#{name}={default}" for name, default, meaning in _entries())
