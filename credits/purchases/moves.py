"""The one way in which a purchase moves from one state to another: a conditional UPDATE that asks the table of moves.

Of any number at once one finds the purchase where it may still move, and the others nothing.
"""

from tortoise.expressions import Expression, RawSQL, ResolveContext, ResolveResult
from tortoise.queryset import QuerySet

from credits.purchases.models import Purchase, PurchaseStatus
from credits.purchases.rules import MOVES


class _Clock(Expression):
    """The database's clock, in an UPDATE of Tortoise's."""

    def resolve(self, resolve_context: ResolveContext) -> ResolveResult:
        """As SQL."""
        return ResolveResult(term=RawSQL("credits_now()"))


NOW = _Clock()


async def move(
    purchases: QuerySet[Purchase], to: PurchaseStatus, *, reason: str | None = None, **columns: object
) -> bool:
    """Move those of the purchases that may move there, with further columns in the same UPDATE; whether one did.
    `reason` says, for whoever bought, why it ended."""
    movable = purchases.filter(status__in=MOVES[to])
    return bool(await movable.update(status=to, failure_reason=reason, moved_at=NOW, **columns))
