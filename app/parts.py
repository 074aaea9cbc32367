"""What every process of the service has over an open database: web, worker and command line.

It knows neither the API nor the pages: a command that needs neither starts without them, in half the time.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from tortoise.connection import get_connection

from app.database import ANSWER_WITHIN_S, database, require_tables
from app.gateways.mail import SmtpMail
from app.gateways.silent import SilentChat, SilentMail
from app.gateways.slack import SLACK, SlackChat
from app.gateways.stripe import StripeGateway
from app.pubsub import Hub, hub
from app.sandbox.mail import server_of
from app.sandbox.slack_people import TEAM_ID
from app.settings import Settings
from app.smtp import MailServer
from credits.chat.messenger import Messenger
from credits.chat.workspaces import Seal, Workspaces
from credits.gateways.chat import Chat, Workspace
from credits.gateways.mail import MailGateway
from credits.gateways.payments import Payments
from credits.purchases.checkouts import Checkouts


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What web and worker share, over an open database: the payment provider, the checkouts, the hub, and the chat and
    mail by which people are told."""

    database_url: str
    payments: Payments
    checkouts: Checkouts
    hub: Hub
    messenger: Messenger


@asynccontextmanager
async def parts(
    settings: Settings, database_url: str, *, answer_within_s: float | None = ANSWER_WITHIN_S
) -> AsyncIterator[Parts]:
    """Open what a process of the service needs, until the block ends. The database has so many seconds for each answer
    (None: as long as it takes)."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            database(
                database_url,
                pool=settings.database_pool,
                sandbox=settings.sandboxed,
                answer_within_s=answer_within_s,
            )
        )
        await require_tables(sandbox=settings.sandboxed)
        if settings.live:
            await _require_real_time()
        shared = await stack.enter_async_context(hub(settings.redis_url))
        gateway = StripeGateway(
            api_key=settings.stripe_key,
            webhook_secrets=settings.stripe_webhook_secrets,
            api_base=f"{settings.local_url}/sandbox/stripe" if settings.sandboxed else None,
        )
        stack.push_async_callback(gateway.close)
        yield Parts(
            database_url=database_url,
            payments=gateway,
            hub=shared,
            messenger=Messenger(
                chat=await stack.enter_async_context(_chat(settings)),
                mail=_mail(settings),
                workspaces=workspaces_of(settings),
                pace_s=settings.slack_pace_s,
            ),
            checkouts=Checkouts(
                gateway=gateway,
                publisher=shared,
                wait_s=settings.checkout_wait_s,
                return_url=f"{settings.url}/checkout/return",
                allowed_return_urls=(settings.url, *settings.return_urls),
                live=settings.live,
            ),
        )


def workspaces_of(settings: Settings) -> Workspaces:
    """The workspace of the settings, or the sandbox's, and how those that accounts connect are kept."""
    token, team_id = settings.slack_bot_token.get_secret_value(), settings.slack_team_id
    if settings.slack_played:
        token, team_id = "xoxb-sandbox", TEAM_ID
    own = Workspace(id=team_id, org=settings.slack_enterprise_id or team_id, token=token) if token else None
    return Workspaces(own=own, shared=not settings.slack_client_id, seal=Seal(settings.sealing_keys))


def _mail(settings: Settings) -> MailGateway:
    """The mail server of the settings, or the sandbox's; without either, mail reaches nobody."""
    named = settings.mail_server

    async def server() -> MailServer:
        return named or await server_of(settings.local_url)

    return SmtpMail(server, sender=settings.sender) if named or settings.sandboxed else SilentMail()


@asynccontextmanager
async def _chat(settings: Settings) -> AsyncIterator[Chat]:
    """Slack, or the sandbox's, until the block ends; without either, one that reaches nobody."""
    if not settings.slack:
        yield SilentChat()
        return
    sandbox = "/sandbox/slack" if settings.slack_played else None
    chat = SlackChat(
        signing_secrets=settings.slack_signing_secrets,
        base_url=f"{settings.local_url}{sandbox}/api/" if sandbox else None,
        site_url=f"{settings.url}{sandbox}" if sandbox else SLACK,
        client_id=settings.slack_client_id or "sandbox",
        client_secret=settings.slack_client_secret.get_secret_value() or "sandbox",
        redirect_url=f"{settings.url}/slack/oauth/callback",
    )
    try:
        yield chat
    finally:
        await chat.close()


class ClockMoved(Exception):
    """The database was a sandbox's: its clock was moved, and what lapses in it would lapse wrongly."""


async def _require_real_time() -> None:
    if await get_connection("default").execute_query_dict("SELECT 1 FROM clock_offset"):
        raise ClockMoved(
            "This database's clock was moved in a sandbox. Use another database with live keys, or, if you know that "
            "nothing in it matters, DELETE FROM clock_offset."
        )
