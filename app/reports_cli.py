"""`credits report`: what operators and their accountants want to know of all accounts together."""

import csv
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

import typer
from tortoise.connection import get_connection

from credits.ledger.audit import snapshot
from credits.money import minor_digits
from credits.reports.liability import Entry, Liability, Worth
from credits.reports.liability import liability as read_liability

cli = typer.Typer(no_args_is_help=True, help="Reports over all accounts.")
Run = Callable[[Callable[[], Awaitable[Any]]], Any]
_LABELS = {
    Entry.OPENING: "Outstanding before",
    Entry.SOLD: "Sold",
    Entry.GRANTED: "Granted",
    Entry.USED: "Used, less refunds",
    Entry.EXPIRED: "Expired",
    Entry.CLAWED_BACK: "Clawed back",
    Entry.ADJUSTED: "Adjusted",
    Entry.CLOSING: "Outstanding after",
}


def with_database(run: Run) -> typer.Typer:
    """The commands; `run` does something over an open database."""

    @cli.callback()
    def reports() -> None:
        """Reports over all accounts."""

    @cli.command()
    def liability(
        month: Annotated[str, typer.Option(help="The month, like 2026-10; its days are those of UTC.")],
        as_csv: Annotated[bool, typer.Option("--csv", help="Exact numbers instead of a table.")] = False,
    ) -> None:
        """What was sold, granted, used and lost in a month, and what is owed to the customers after it: in credits, and
        in money by what was paid for each. Ends with 1 when it does not add up."""
        first = _first_day(month)
        if sys.stderr.isatty():
            sys.stderr.write("Adding up every transaction there is; ten million take a minute or two.\n")

        async def read() -> Liability:
            async with get_connection("default").acquire_connection() as connection, snapshot(connection):
                return await read_liability(connection, first)

        try:
            found = run(read)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        if as_csv:
            csv.writer(sys.stdout).writerows(_records(found))
        else:
            sys.stdout.write("\n".join(_table(found)) + "\n")
        for each in found.disagreements:
            sys.stderr.write(f"DOES NOT ADD UP  {each}\n")
        if found.disagreements:
            sys.stderr.write("The ledger does not hold together. Run credits verify; trust none of these numbers.\n")
            raise typer.Exit(1)

    return cli


def _first_day(month: str) -> date:
    try:
        return datetime.strptime(month, "%Y-%m").date()  # noqa: DTZ007 a month has no time zone
    except ValueError as error:
        raise typer.BadParameter(f"{month!r} is no month. Write it like 2026-10.") from error


def _records(found: Liability) -> Iterator[tuple[object, ...]]:
    """A record for each currency and line; of granted credits the currency is empty and nothing was paid."""
    yield "month", "currency", "line", "credits", "money_minor", "money_minor_exact"
    for currency, column in found.columns.items():
        for entry, worth in column.items():
            yield f"{found.month:%Y-%m}", currency or "", entry.value, worth.credits, worth.rounded, worth.minor


def _table(found: Liability) -> list[str]:
    """Lines of equal length: all credits, those granted, and for each currency credits and money."""
    titles = ["", "Credits"]
    for currency in found.columns:
        titles += [f"for {currency}", currency] if currency else ["granted"]
    lines = [titles, *(_line(found, entry) for entry in Entry)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    head = f"Liability of {found.month:%B %Y}, by UTC{'' if found.over else '; the month still runs'}"
    return [head, "", *(_aligned(line, widths) for line in lines)]


def _line(found: Liability, entry: Entry) -> list[str]:
    worths = {currency: column[entry] for currency, column in found.columns.items()}
    cells = [_LABELS[entry], f"{sum(worth.credits for worth in worths.values()):,}"]
    for currency, worth in worths.items():
        cells.append(f"{worth.credits:,}")
        if currency:
            cells.append(_major(worth, currency))
    return cells


def _major(worth: Worth, currency: str) -> str:
    digits = minor_digits(currency)
    return f"{Decimal(worth.rounded).scaleb(-digits):,.{digits}f}"


def _aligned(cells: list[str], widths: list[int]) -> str:
    first, *rest = zip(cells, widths, strict=True)
    return "   ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]).rstrip()
