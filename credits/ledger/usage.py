"""What transactions use, added up by wallet, local day, staging type and person: pure; `store.py` keeps it.

A deduction counts for who was acted for, else who did it; a refund on the day on which it is booked, for the staging
type and the person of the deduction that it undoes.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from credits.ledger.models import TransactionKind
from credits.ledger.posting import Spent
from credits.ledger.wallet import Line

UseKey = tuple[str, date, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a person used of a staging type, from a wallet, on the day (or in the month that begins) `since`: credits
    deducted and refunded, and the jobs that were deducted for."""

    wallet_id: str
    since: date
    staging_type: str
    person_id: str
    account_id: str
    credits: int = 0
    refunded: int = 0
    operations: int = 0

    @property
    def key(self) -> UseKey:
        """What there is one row of."""
        return self.wallet_id, self.since, self.staging_type, self.person_id

    def plus(self, other: "Use") -> "Use":
        """Both of one key."""
        return replace(
            self,
            credits=self.credits + other.credits,
            refunded=self.refunded + other.refunded,
            operations=self.operations + other.operations,
        )

    @property
    def amounts(self) -> tuple[int, int, int]:
        """Credits deducted, credits refunded, jobs."""
        return self.credits, self.refunded, self.operations


def uses_of(lines: Iterable[Line], spent: Mapping[str, Spent]) -> list[Use]:
    """What these transactions used, by day; of refunds `spent` has what they undo. In the order of the keys."""
    uses = total(use for line in lines if (use := _use_of(line, spent)))
    return [uses[key] for key in sorted(uses)]


def _use_of(line: Line, spent: Mapping[str, Spent]) -> Use | None:
    if line.kind is TransactionKind.DEDUCTION:
        staging_type, person_id, amounts = line.staging_type, line.actor.person_id, (-line.change, 0, line.quantity)
    elif line.kind is TransactionKind.REFUND:
        undone = spent[line.refunds_id or ""]
        staging_type, person_id, amounts = undone.staging_type, undone.person_id, (0, line.change, 0)
    else:
        return None
    credits_taken, refunded, operations = amounts
    return Use(
        wallet_id=line.wallet_id,
        since=line.local_day,
        staging_type=staging_type or "",
        person_id=person_id,
        account_id=line.account_id,
        credits=credits_taken,
        refunded=refunded,
        operations=operations or 0,
    )


def by_month(uses: Iterable[Use]) -> list[Use]:
    """The same, by the first day of the month; in the order of the keys."""
    months = total(replace(use, since=use.since.replace(day=1)) for use in uses)
    return [months[key] for key in sorted(months)]


def total(*several: Iterable[Use]) -> dict[UseKey, Use]:
    """All of them added up, by key."""
    totals: dict[UseKey, Use] = {}
    for use in itertools.chain(*several):
        so_far = totals.get(use.key)
        totals[use.key] = use if so_far is None else so_far.plus(use)
    return totals
