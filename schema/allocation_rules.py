"""The standing order of a department, as it is seen."""

from datetime import datetime
from typing import Self

import strawberry

from credits.allocations.models import Period
from credits.allocations.queries import RuleView
from schema.context import Context

strawberry.enum(Period)


@strawberry.type(
    description="At the start of each period: without `rollover` what is left and not held goes back to the pool and"
    " `credits` are given; with it `credits` are added."
)
class AllocationRule:
    credits: int
    period: Period
    rollover: bool
    next_run: datetime

    @classmethod
    def of(cls, view: RuleView) -> Self:
        """From the domain's view."""
        return cls(credits=view.credits, period=view.period, rollover=view.rollover, next_run=view.next_run)


async def rule_of(context: Context, department_id: str) -> AllocationRule | None:
    """The standing order of a department that the caller may see, if it has one."""
    view = await context.loaders.allocation_rules.load(department_id)
    return AllocationRule.of(view) if view else None
