"""What transactions use, added up by wallet, local day, staging type and person: pure; `store.py` keeps it.

A deduction counts for who was acted for, else who did it; a refund on the day on which it is booked, for the staging
type and the person of the deduction that it undoes.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from credits.ledger.models import TransactionKind
from credits.ledger.posting import Spent
from credits.ledger.wallet import Line

UseKey = tuple[str, date, str, str]
Amounts = tuple[int, int, int]


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

    @property
    def amounts(self) -> Amounts:
        """Credits deducted, credits refunded, jobs."""
        return self.credits, self.refunded, self.operations


class _Sums:
    """Amounts by key while they are added up: quicker than values that are made anew for each transaction."""

    def __init__(self) -> None:
        self._rows: dict[UseKey, list[int]] = {}
        self._accounts: dict[str, str] = {}

    def add(self, key: UseKey, account_id: str, amounts: Amounts) -> None:
        row = self._rows.get(key)
        if row is None:
            self._rows[key] = list(amounts)
            self._accounts[key[0]] = account_id
        else:
            row[0] += amounts[0]
            row[1] += amounts[1]
            row[2] += amounts[2]

    def uses(self) -> list[Use]:
        """In the order of their keys."""
        return [
            Use(
                wallet_id=wallet_id,
                since=since,
                staging_type=staging_type,
                person_id=person_id,
                account_id=self._accounts[wallet_id],
                credits=credits_taken,
                refunded=refunded,
                operations=operations,
            )
            for (wallet_id, since, staging_type, person_id), (credits_taken, refunded, operations) in sorted(
                self._rows.items()
            )
        ]


def uses_of(lines: Iterable[Line], spent: Mapping[str, Spent]) -> list[Use]:
    """What these transactions used, by day; of refunds `spent` has what they undo. In the order of the keys."""
    sums = _Sums()
    for line in lines:
        if line.kind is TransactionKind.DEDUCTION:
            key = (line.wallet_id, line.local_day, line.staging_type or "", line.actor.person_id)
            sums.add(key, line.account_id, (-line.change, 0, line.quantity or 0))
        elif line.kind is TransactionKind.REFUND:
            undone = spent[line.refunds_id or ""]
            key = (line.wallet_id, line.local_day, undone.staging_type or "", undone.person_id)
            sums.add(key, line.account_id, (0, line.change, 0))
    return sums.uses()


def by_month(uses: Iterable[Use]) -> list[Use]:
    """The same, by the first day of the month; in the order of the keys."""
    sums = _Sums()
    for use in uses:
        wallet_id, since, staging_type, person_id = use.key
        sums.add((wallet_id, since.replace(day=1), staging_type, person_id), use.account_id, use.amounts)
    return sums.uses()


def total(*several: Iterable[Use]) -> dict[UseKey, Use]:
    """All of them added up, by key."""
    sums = _Sums()
    for use in itertools.chain(*several):
        sums.add(use.key, use.account_id, use.amounts)
    return {use.key: use for use in sums.uses()}
