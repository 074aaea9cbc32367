"""Standing orders that refill departments, and asking for more."""

import strawberry

from credits.accounts.rules import Action
from credits.allocations import orders, requests
from credits.allocations.models import Period
from credits.ids import Kind
from schema.context import Info
from schema.errors import UserError, refusals_as
from schema.permissions import place_for, place_of, require
from schema.structure import DepartmentPayload, department_payload


@strawberry.input(
    description="`credits` null or left out removes the rule. Made or changed now, it first runs at the start of the"
    " next period."
)
class SetAllocationRuleInput:
    department_id: strawberry.ID
    credits: int | None = None
    period: Period = Period.MONTHLY
    rollover: bool = False


@strawberry.input
class RequestAllocationInput:
    department_id: strawberry.ID
    credits: int
    reason: str


@strawberry.type
class RequestAllocationPayload:
    requested: bool = False
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class AllocationMutation:
    @strawberry.mutation(description="What a department is given at the start of each week, month or quarter.")
    @refusals_as(DepartmentPayload)
    async def set_allocation_rule(
        self,
        info: Info,
        input: SetAllocationRuleInput,  # noqa: A002 the API's name for it
    ) -> DepartmentPayload | None:
        context = info.context
        action = Action.SET_STANDING_ORDER
        place = await place_for(context, input.department_id, Kind.DEPARTMENT, action, field="departmentId")
        # The credits come from the pool: a key for the department's wallet alone may not order them.
        require(context.standing, action, await place_of(context, place.pool_id or ""))
        wanted = None
        if input.credits is not None:
            wanted = orders.OrderInput(credits=input.credits, period=input.period, rollover=input.rollover)
        await orders.set_order(context.standing.actor, place, wanted)
        return await department_payload(context, input.department_id)

    @strawberry.mutation(description="Ask the pool's administrators for more, with a reason.")
    @refusals_as(RequestAllocationPayload)
    async def request_allocation(
        self,
        info: Info,
        input: RequestAllocationInput,  # noqa: A002 the API's name for it
    ) -> RequestAllocationPayload | None:
        context = info.context
        action = Action.REQUEST_ALLOCATION
        place = await place_for(context, input.department_id, Kind.DEPARTMENT, action, field="departmentId")
        await requests.ask(context.standing.actor, place, credits_wanted=input.credits, reason=input.reason)
        return RequestAllocationPayload(requested=True)
