"""`credits slack`: who is who in the workspace, and where an account's messages go, for a deployment with one."""

import re
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer
from tortoise.transactions import in_transaction

from app.gateways.slack_manifest import manifest as app_manifest
from credits.accounts.models import User
from credits.actors import SYSTEM
from credits.chat.channels import set_channel
from credits.chat.linking import unlink as unlink_people
from credits.chat.people import link as link_people
from credits.chat.workspaces import Workspaces, reseal

cli = typer.Typer(no_args_is_help=True, help="Who is who in Slack, and where an account's messages go.")
Run = Callable[[Callable[[], Awaitable[Any]]], Any]
_USER = re.compile(r"[UW][A-Z0-9]{5,20}")


def with_database(run: Run, workspaces: Callable[[], Workspaces], url: Callable[[], str]) -> typer.Typer:
    """The commands; `run` does something over an open database, `workspaces` knows that of the settings, `url` where
    the service is reached."""

    @cli.command()
    def manifest() -> None:
        """Print what to paste at https://api.slack.com/apps, under "Create New App", "From a manifest"."""
        at = url()
        if not at.startswith("https://"):
            sys.stderr.write(f"Slack wants an https address, and this is {at}. Set PUBLIC_URL.\n")
        sys.stdout.write(app_manifest(at))

    @cli.command()
    def link(
        email: Annotated[str, typer.Argument(help="The person's e-mail address.")],
        slack_user: Annotated[str, typer.Argument(help="Their id in Slack, U… or W….")],
    ) -> None:
        """Let a person be told, and decide, in Slack."""

        async def work() -> str:
            if not _USER.fullmatch(slack_user):
                return f"{slack_user} is no id of a Slack user. Slack shows it under Profile, Copy member ID."
            person = await User.filter(email__iexact=email[:320]).first()
            if person is None:
                return f"Nobody here has the address {email}."
            own = workspaces().own
            if own is None:
                return "There is no workspace in the settings. Set SLACK_BOT_TOKEN and SLACK_TEAM_ID."
            async with in_transaction() as connection:
                await link_people(connection, person.id, org=own.org, chat_user_id=slack_user, how="command line")
            return ""

        _tell(run(work), f"{email} is {slack_user} in Slack.")

    @cli.command()
    def unlink(email: Annotated[str, typer.Argument(help="The person's e-mail address.")]) -> None:
        """Let a person no longer be told, nor decide, in any Slack workspace; they can link themselves anew."""

        async def work() -> str:
            links = await unlink_people(email[:320], how="command line")
            return "" if links else f"Nobody with the address {email} is linked."

        _tell(run(work), f"{email} is nobody in Slack any more.")

    @cli.command("reseal")
    def reseal_tokens() -> None:
        """Keep the tokens of connected workspaces under the first of SLACK_TOKEN_KEYS, so that the others can go."""

        async def work() -> str:
            _, unopened = await reseal(workspaces().seal)
            return f"No key opens the tokens of {', '.join(unopened)}: connect Slack there anew." if unopened else ""

        _tell(run(work), "Every token is kept under the first key.")

    @cli.command()
    def channel(
        account: Annotated[str, typer.Argument(help="The account's id, acct_….")],
        name: Annotated[str, typer.Argument(help="A channel that the app was invited to, #name or C….")],
    ) -> None:
        """Say where an account's alerts go when they have no channel of their own."""

        async def work() -> str:
            changed = await set_channel(SYSTEM, account[:40], name[:80])
            return "" if changed else f"There is no account {account}."

        _tell(run(work), f"Alerts of {account} go to {name}.")

    return cli


def _tell(wrong: str, done: str) -> None:
    sys.stdout.write((wrong or done) + "\n")
    if wrong:
        raise typer.Exit(1)
