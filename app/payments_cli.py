"""`credits payments` and `credits reconcile`: what does not fit, and whether money and credits agree."""

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from app.parts import Parts
from app.progress import progress_bar
from credits.gateways.errors import GatewayRefused, GatewayUnavailable
from credits.purchases import healing, quarantine
from credits.purchases.differences import Difference
from credits.purchases.reconciliation import LONGEST_DAYS, differences

cli = typer.Typer(no_args_is_help=True, help="Payments that fit no purchase.")
Run = Callable[[Callable[[Parts], Awaitable[Any]]], Any]


def with_parts(run: Run) -> typer.Typer:
    """The commands of `credits payments`; `run` does something with the parts of a process."""

    @cli.command("quarantined")
    def quarantined() -> None:
        """Print the payments that fit no purchase and that nobody has settled, oldest first."""
        waiting = run(lambda _: quarantine.unsettled())
        for row in waiting:
            amount = f"{row.amount.formatted} {row.amount.currency}"
            _say(f"{row.id}  {row.seen_at:%Y-%m-%d %H:%M:%S}  {amount:>14}  {row.reference}  for {row.purchase_id}")
            _say(f"    {row.reason}")
        _say(f"{len(waiting)} to settle.")

    @cli.command("settle")
    def settle(
        quarantined_id: Annotated[str, typer.Argument(metavar="ID", help="As `quarantined` prints it.")],
        note: Annotated[str, typer.Option(help="What was done about it, at most 500 characters.")],
    ) -> None:
        """Say that a payment was dealt with, and how."""
        if not note.strip() or len(note) > quarantine.NOTE_LENGTH:
            raise typer.BadParameter(f"Say what was done, in 1 to {quarantine.NOTE_LENGTH} characters.")
        if not run(lambda _: quarantine.settle(quarantined_id, note=note.strip())):
            _say(f"{quarantined_id} does not wait; `credits payments quarantined` shows what does.")
            raise typer.Exit(1)
        _say(f"{quarantined_id} is settled.")

    return cli


def reconcile_with(run: Run) -> Callable[..., None]:
    """The command `credits reconcile`."""

    def reconcile(
        days: Annotated[int, typer.Option(min=1, max=LONGEST_DAYS, help="How far back.")] = LONGEST_DAYS,
        heal: Annotated[
            bool, typer.Option("--heal", help="First handle what was missed, as the daily job does.")
        ] = False,
    ) -> None:
        """Compare the provider's payments with our purchases and credits; ends with 1 where they do not agree."""
        with progress_bar("Comparing") as progress:

            async def compare(parts: Parts) -> list[Difference]:
                if heal:
                    await healing.heal(parts.checkouts, parts.payments, days=days)
                return await differences(parts.payments, days=days, live=parts.checkouts.live, progress=progress)

            try:
                found = run(compare)
            except (GatewayUnavailable, GatewayRefused) as error:
                sys.stderr.write(f"credits: {error} Nothing was compared; try again. A sandbox is asked through the ")
                sys.stderr.write("service, so that has to run.\n")
                raise typer.Exit(2) from error
        for each in found:
            _say(f"{each.kind:<22}  {each.reference}  {each.text}")
        _say(f"{len(found)} to look at." if found else "No differences.")
        if found:
            raise typer.Exit(1)

    return reconcile


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
