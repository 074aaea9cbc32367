"""What came of a look at what the provider says, to be told after the commit that acted on it."""

from dataclasses import dataclass

from credits.ledger.feed import BalanceChange


@dataclass(frozen=True, slots=True)
class Settled:
    """In a word what came of it, the purchase that changed (None: none did), and the balances that did."""

    outcome: str
    purchase_id: str | None = None
    told: tuple[BalanceChange, ...] = ()


NOTHING = Settled("nothing to do")
