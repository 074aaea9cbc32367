"""Statements of a wallet's months, with links to them as CSV and PDF."""

from datetime import date
from typing import Self

import strawberry

from credits.ledger.models import TransactionKind
from credits.reports import months
from credits.reports.links import STATEMENT_CSV, STATEMENT_PDF
from schema.context import Info
from schema.scalars import Long

strawberry.enum(TransactionKind)


@strawberry.type(description="All transactions of one kind. `credits` is signed.")
class StatementLine:
    kind: TransactionKind
    credits: Long
    count: Long

    @classmethod
    def of(cls, movement: months.Movement) -> Self:
        """From the domain's."""
        return cls(kind=movement.kind, credits=Long(movement.credits), count=Long(movement.count))


@strawberry.type(description="opening + the movements = closing. A closed month never changes.")
class Statement:
    found: strawberry.Private[months.Statement]
    month: date = strawberry.field(description="Its first day.")
    opening: int
    closing: int = strawberry.field(description="While the month runs, what there is so far.")
    movements: list[StatementLine]
    closed: bool

    @classmethod
    def of(cls, found: months.Statement) -> Self:
        """From the domain's; the caller may see it."""
        return cls(
            found=found,
            month=found.month,
            opening=found.opening,
            closing=found.closing,
            movements=[StatementLine.of(each) for each in found.movements],
            closed=found.closed,
        )

    @strawberry.field(description="A link to it with every transaction; yours alone, for 15 minutes.")
    def csv_url(self, info: Info) -> str:
        return self._link(info, STATEMENT_CSV)

    @strawberry.field(description="A link to it for people; yours alone, for 15 minutes.")
    def pdf_url(self, info: Info) -> str:
        return self._link(info, STATEMENT_PDF)

    def _link(self, info: Info, what: str) -> str:
        context, found = info.context, self.found
        actor = context.standing.actor
        return context.services.links.statement(actor, what, wallet_id=found.wallet_id, month=found.month).url
