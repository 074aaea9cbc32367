"""What refunds and disputes of a payment come to: how much of it went back, how many credits follow, what is frozen.

Pure, and decided on all that is known, so that neither the order of news nor their repetition matters.
"""

from dataclasses import dataclass

from credits.errors import Refusal, RefusalCode
from credits.ledger.disputing import clawback_due
from credits.money import Money
from credits.purchases.models import DisputeStatus, PurchaseStatus, RefundStatus

# Old news changes nothing: of two the one with the higher number stays, whichever came first. What was lost may be won
# on appeal.
_REFUND_RANK = {
    RefundStatus.REQUESTED: 0,
    RefundStatus.PENDING: 1,
    RefundStatus.SUCCEEDED: 2,
    RefundStatus.CANCELED: 3,
    RefundStatus.FAILED: 4,
}
_DISPUTE_RANK = {
    DisputeStatus.INQUIRY: 0,
    DisputeStatus.OPEN: 1,
    DisputeStatus.LOST: 2,
    DisputeStatus.WON: 3,
}
# Of several disputes of one payment the first of these is the one that matters.
_WORST_FIRST = (DisputeStatus.OPEN, DisputeStatus.LOST, DisputeStatus.WON, DisputeStatus.INQUIRY)
_TAKES = (RefundStatus.PENDING, RefundStatus.SUCCEEDED)
_MAY_TAKE = (RefundStatus.REQUESTED, *_TAKES)


def refund_moves(before: RefundStatus, to: RefundStatus) -> bool:
    """Whether the second is news to whoever knows the first."""
    return _REFUND_RANK[to] > _REFUND_RANK[before]


def dispute_moves(before: DisputeStatus, to: DisputeStatus) -> bool:
    """Whether the second is news to whoever knows the first."""
    return _DISPUTE_RANK[to] > _DISPUTE_RANK[before]


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """A payment of `total` for so many credits, and all refunds and disputes of it that are known, each with its amount
    and where it stands."""

    credits: int
    total: Money
    refunds: tuple[tuple[Money, RefundStatus], ...]
    disputes: tuple[tuple[Money, DisputeStatus], ...]

    @property
    def refunded_minor(self) -> int:
        """The money that went back by refunds and lost disputes, in the currency's smallest unit, without what of it
        was tax on top."""
        return min(self._refunds(_TAKES) + self._lost_minor, self.total.amount_minor)

    @property
    def clawed_back(self) -> int:
        """The credits that follow the money."""
        return clawback_due(self.credits, refunded_minor=self.refunded_minor, total_minor=self.total.amount_minor)

    @property
    def dispute(self) -> DisputeStatus | None:
        """Where the dispute stands; of several the one that matters most."""
        return next((each for each in _WORST_FIRST if any(each is status for _, status in self.disputes)), None)

    @property
    def frozen(self) -> bool:
        """As long as any dispute is open; a bank that only asks freezes nothing."""
        return self.dispute is DisputeStatus.OPEN

    @property
    def refundable_minor(self) -> int:
        """What of the money can still be refunded: neither asked for yet nor lost."""
        return max(self.total.amount_minor - self._refunds(_MAY_TAKE) - self._lost_minor, 0)

    def _refunds(self, statuses: tuple[RefundStatus, ...]) -> int:
        return sum(amount.amount_minor for amount, status in self.refunds if status in statuses)

    @property
    def _lost_minor(self) -> int:
        """Of what was lost in another currency nobody can say how much of this payment it was: all of it."""
        return sum(
            amount.amount_minor if amount.currency == self.total.currency else self.total.amount_minor
            for amount, status in self.disputes
            if status is DisputeStatus.LOST
        )


def refund_amount(status: PurchaseStatus, returns: Returns, wanted_minor: int | None) -> Money:
    """The money to be refunded: so much, or all that is left. Refused: a purchase that nobody has paid, one whose
    money the bank has taken back for as long as it is disputed, nothing or more than is left."""
    if status is not PurchaseStatus.PAID:
        raise Refusal(
            RefusalCode.WRONG_STATE,
            f"This purchase is {status.value}: no money has arrived that could go back. Cancel it instead.",
            field="purchaseId",
        )
    if returns.frozen:
        raise Refusal(
            RefusalCode.WRONG_STATE,
            "The bank disputes this payment and holds the money. Answer it in the provider's dashboard, or accept the "
            "dispute there: that gives the money back.",
            field="purchaseId",
        )
    left = Money(returns.refundable_minor, returns.total.currency)
    if not left.amount_minor:
        raise Refusal(
            RefusalCode.ALREADY_REFUNDED,
            f"All of the {returns.total.formatted} went back already, or is on its way.",
            field="purchaseId",
        )
    if wanted_minor is None:
        return left
    if not 1 <= wanted_minor <= left.amount_minor:
        raise Refusal(
            RefusalCode.INVALID,
            f"Between 1 and {left.amount_minor}: {left.formatted} of this payment can still be refunded.",
            field="amountMinor",
        )
    return Money(wanted_minor, left.currency)
