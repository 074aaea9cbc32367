"""What transactions use, added up by wallet, local day, staging type and person: pure; `store.py` keeps it.

A deduction counts for who was acted for, else who did it; a refund on the day on which it is booked, for the staging
type and the person of the deduction that it undoes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from credits.ledger.models import TransactionKind
from credits.ledger.posting import Spent
from credits.ledger.wallet import Line

UseKey = tuple[str, date, str, str]


@dataclass(slots=True, kw_only=True)
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

    @property
    def amounts(self) -> tuple[int, int, int]:
        """Credits deducted, credits refunded, jobs."""
        return self.credits, self.refunded, self.operations


def uses_of(lines: Iterable[Line], spent: Mapping[str, Spent]) -> list[Use]:
    """What these transactions used, by day; of refunds `spent` has what they undo. In the order of the keys."""
    uses: dict[UseKey, Use] = {}
    for line in lines:
        if line.kind is TransactionKind.DEDUCTION:
            use = _of(uses, line, line.staging_type or "", line.actor.person_id)
            use.credits -= line.change
            use.operations += line.quantity or 0
        elif line.kind is TransactionKind.REFUND:
            undone = spent[line.refunds_id or ""]
            _of(uses, line, undone.staging_type or "", undone.person_id).refunded += line.change
    return [uses[key] for key in sorted(uses)]


def _of(uses: dict[UseKey, Use], line: Line, staging_type: str, person_id: str) -> Use:
    key = (line.wallet_id, line.local_day, staging_type, person_id)
    if key not in uses:
        uses[key] = Use(
            wallet_id=line.wallet_id,
            since=line.local_day,
            staging_type=staging_type,
            person_id=person_id,
            account_id=line.account_id,
        )
    return uses[key]


def by_month(uses: Sequence[Use]) -> list[Use]:
    """The same, by the first day of the month; in the order of the keys."""
    months: dict[UseKey, Use] = {}
    for use in uses:
        first = replace(use, since=use.since.replace(day=1))
        month = months.setdefault(first.key, first)
        if month is not first:
            month.credits += use.credits
            month.refunded += use.refunded
            month.operations += use.operations
    return [months[key] for key in sorted(months)]
