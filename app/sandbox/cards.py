"""Customers of the sandbox's Stripe and their saved cards, which behave as tests and people tell them to."""

from app.sandbox import clock
from app.sandbox.errors import ApiError, no_such
from app.sandbox.ids import is_id, is_name, make_id
from app.sandbox.models import Behaviour, Card, CheckoutSession, Customer


async def customer(customer_id: str, *, status: int = 404, param: str = "customer") -> Customer:
    """The customer; refused where there is none."""
    found = await Customer.get_or_none(id=customer_id) if is_id(customer_id) else None
    if found is None:
        raise no_such("customer", customer_id, status=status, param=param)
    return found


async def saved_card(customer_id: str) -> Card | None:
    """The customer's present card."""
    return await Card.filter(customer_id=customer_id, detached=False).order_by("-created_at").first()


async def keep_customer(session: CheckoutSession) -> str | None:
    """The customer who pays at the session: the one it named or, where it asked for that, a new one."""
    if session.customer is None and session.makes_customer:
        made = await Customer.create(
            id=make_id("cus"), account_id=session.metadata.get("account_id"), created_at=await clock.now()
        )
        session.customer = made.id
        await session.save(update_fields=["customer"])
    return session.customer


async def keep_card(session: CheckoutSession) -> str | None:
    """The card with which the session is paid, saved where it asked for that. Whoever saved one before pays with it,
    unless their bank declines it: then they pay with another."""
    if session.customer is None or not session.saves_card:
        return None
    card = await saved_card(session.customer)
    if card is None or card.behaviour is Behaviour.DECLINED:
        card = await _replace(session.customer, Behaviour.OK)
    return card.id


async def behave(
    behaviour: Behaviour, *, new: bool, account_id: str | None = None, customer_id: str | None = None
) -> list[Card]:
    """From now on the saved cards of the customer, or of all customers of the account, behave so; `new` puts another
    card in the place of each. Refused (404): nobody of that name has a card."""
    if customer_id is not None:
        customers = [await customer(customer_id, param="customer_id")]
    else:
        named = account_id if account_id is not None and is_name(account_id) else ""
        customers = await Customer.filter(account_id=named)
    found = [card for each in customers if (card := await saved_card(each.id))]
    if not found:
        raise ApiError(404, "Nobody of that id has a saved card. Pay a checkout first: that saves one.")
    if new:
        return [await _replace(card.customer_id, behaviour) for card in found]
    for card in found:
        card.behaviour = behaviour
        await card.save(update_fields=["behaviour"])
    return found


async def _replace(customer_id: str, behaviour: Behaviour) -> Card:
    await Card.filter(customer_id=customer_id, detached=False).update(detached=True)
    return await Card.create(
        id=make_id("pm"), customer_id=customer_id, behaviour=behaviour, created_at=await clock.now()
    )
