"""`credits service-key`: keys of the platform's own engine. They are settings and no rows: nothing is written here."""

import re
import secrets
import sys
from typing import Annotated

import typer

cli = typer.Typer(no_args_is_help=True, help="Keys of the platform's own staging engine.")
_NAME = re.compile(r"[a-z0-9-]{1,32}")


@cli.callback()
def service_keys() -> None:
    """Keep `new` a command of its own name, being the only one."""


@cli.command()
def new(name: Annotated[str, typer.Argument(help="Who will use it: small letters, digits and dashes.")]) -> None:
    """Print a fresh service key, and what to do with it."""
    if not _NAME.fullmatch(name):
        raise typer.BadParameter("A name has 1 to 32 small letters, digits and dashes, such as staging.")
    secret = f"svc_{secrets.token_urlsafe(32)}"
    sys.stdout.write(f"""The key of {name}, sent as a bearer token. It is kept nowhere and not shown again:

    {secret}

The entry to add to SERVICE_KEYS (entries are parted by commas), alike in every process; then start them anew:

    {name}:{secret}

To change a key without a pause, have both entries in SERVICE_KEYS, and take the old one out when nobody uses it.
Whoever has this key may act in every account.
""")
