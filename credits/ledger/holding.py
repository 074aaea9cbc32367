"""Rules of holds: credits are promised at once or not at all, and each unit is captured or given back once."""

from dataclasses import replace

from credits.actors import SYSTEM, Actor
from credits.errors import RefusalCode
from credits.ids import Kind, Series
from credits.ledger import disputing
from credits.ledger.commands import CaptureHold, ExtendHold, Part, PlaceHold, ReleaseHold
from credits.ledger.holds import LONGEST_DURATION, HoldItemState, HoldState
from credits.ledger.lots import draw
from credits.ledger.models import HoldStatus, TransactionKind
from credits.ledger.posting import Posted, Posting, Refused
from credits.ledger.spending import covers, may_spend, movable, price_of
from credits.ledger.text import Text
from credits.ledger.wallet import Line

PLACED = "HOLD_PLACED"
RELEASED = "HOLD_RELEASED"
OVER = "HOLD_EXPIRED"


def place(posting: Posting, command: PlaceHold) -> Posted | Refused:
    """Refused as a deduction is: a type that is not offered, more than one operation moves, a suspended account, one
    in debt, more than is available."""
    wallet = posting.state.wallets[command.wallet_id]
    at = posting.time(wallet)
    items = []
    for wanted in command.items:
        price = price_of(posting, wanted.staging_type, field="items")
        if isinstance(price, Refused):
            return price
        items.append(
            HoldItemState(
                id=posting.ids.next(Kind.HOLD_ITEM),
                staging_type=wanted.staging_type,
                price=price.credits,
                quantity=wanted.quantity,
            )
        )
    cost = sum(item.credits for item in items)
    if refused := movable(cost, field="items") or may_spend(posting, wallet) or covers(posting, wallet, cost):
        return refused
    hold = HoldState(
        id=command.id,
        account_id=wallet.account_id,
        wallet_id=wallet.id,
        status=HoldStatus.OPEN,
        credits=cost,
        actor=command.actor,
        reference=command.text.reference if command.text else None,
        metadata=command.text.metadata if command.text else None,
        expires_at=at + command.lasts,
        created_at=at,
        closed_at=None,
        items=items,
        reservations={},
    )
    posting.state.holds[hold.id] = hold
    posting.changes.new_holds.add(hold.id)
    posting.changes.holds[hold.id] = hold
    posting.reserve(wallet, hold, draw(wallet.lots, cost, at))
    posting.happened(wallet, PLACED)
    return posting.posted(wallet, hold=hold)


def capture(posting: Posting, command: CaptureHold) -> Posted | Refused:
    """A deduction for each item, at the price of when it was promised and from the lots that were reserved, also where
    they have lapsed or were frozen since: it was promised. Refused: what is not open any more, more than is open."""
    hold = posting.state.holds[command.hold_id]
    chosen = _chosen(hold, command.parts)
    if isinstance(chosen, Refused):
        return chosen
    lines = [_capture_item(posting, hold, item, units, command) for item, units in chosen]
    if command.release_rest:
        rest = [(item, item.open) for item in hold.items if item.open]
        _give_back(posting, hold, rest, HoldStatus.RELEASED, step_id=command.id, actor=command.actor)
    return posting.posted(posting.state.wallets[hold.wallet_id], lines, hold)


def release(posting: Posting, command: ReleaseHold) -> Posted | Refused:
    """Refused: what is not open any more, more than is open."""
    hold = posting.state.holds[command.hold_id]
    chosen = _chosen(hold, command.parts)
    if isinstance(chosen, Refused):
        return chosen
    _give_back(posting, hold, chosen, HoldStatus.RELEASED, step_id=command.id, actor=command.actor)
    return posting.posted(posting.state.wallets[hold.wallet_id], hold=hold)


def extend(posting: Posting, command: ExtendHold) -> Posted | Refused:
    """Refused: a hold that has ended, an end more than seven days after it was placed."""
    hold = posting.state.holds[command.hold_id]
    wallet = posting.state.wallets[hold.wallet_id]
    if refused := _ended(hold):
        return refused
    end = posting.time(wallet) + command.lasts
    latest = hold.created_at + LONGEST_DURATION
    if end > latest:
        return Refused(
            code=RefusalCode.INVALID,
            message=f"A hold stands for at most seven days: this one until {latest:%Y-%m-%d %H:%M:%S} UTC.",
            field="expiresInSeconds",
        )
    hold.expires_at = end
    posting.changes.holds[hold.id] = hold
    return posting.posted(wallet, hold=hold)


def end_those_over(posting: Posting) -> None:
    """Give back what holds keep whose time is over, in the order in which they ended."""
    for hold in sorted(posting.state.holds.values(), key=lambda hold: (hold.expires_at, hold.id)):
        if hold.ended(posting.time(posting.state.wallets[hold.wallet_id])):
            posting.ids = Series(hold.id)
            rest = [(item, item.open) for item in hold.items if item.open]
            _give_back(posting, hold, rest, HoldStatus.EXPIRED, step_id=posting.ids.next(Kind.HOLD_STEP), actor=SYSTEM)
            disputing.repay(posting)


Chosen = list[tuple[HoldItemState, int]]


def _chosen(hold: HoldState, parts: tuple[Part, ...] | None) -> Chosen | Refused:
    """Units of items that are all open, or why they are not."""
    if refused := _ended(hold):
        return refused
    if parts is None:
        return [(item, item.open) for item in hold.items if item.open]
    items = {item.id: item for item in hold.items}
    chosen: Chosen = []
    for part in parts:
        item = items.pop(part.item_id, None)
        if item is None:
            return _no_item(hold)
        units = item.open if part.quantity is None else part.quantity
        if not item.open:
            return _settled(item)
        if units > item.open:
            return _exceeds(item, units)
        chosen.append((item, units))
    return chosen


def _capture_item(posting: Posting, hold: HoldState, item: HoldItemState, units: int, command: CaptureHold) -> Line:
    wallet = posting.state.wallets[hold.wallet_id]
    text = None
    if hold.reference is not None or hold.metadata is not None:
        text = Text(salt=command.salt, reference=hold.reference, description=None, metadata=hold.metadata)
    actor = command.actor
    if actor.on_behalf_of is None:
        actor = replace(actor, on_behalf_of=hold.actor.on_behalf_of)
    line = posting.book(
        wallet,
        TransactionKind.DEDUCTION,
        posting.free(wallet, hold, units * item.price, last_first=False),
        actor=actor,
        text=text,
        staging_type=item.staging_type,
        quantity=units,
        hold_id=hold.id,
    )
    posting.settle(hold, item, units, HoldStatus.CAPTURED, id=command.id, actor=command.actor, transaction_id=line.id)
    return line


def _give_back(
    posting: Posting, hold: HoldState, chosen: Chosen, ending: HoldStatus, *, step_id: str, actor: Actor
) -> None:
    if not chosen:
        return
    wallet = posting.state.wallets[hold.wallet_id]
    for item, units in chosen:
        posting.free(wallet, hold, units * item.price, last_first=True)
        posting.settle(hold, item, units, ending, id=step_id, actor=actor, transaction_id=None)
    posting.happened(wallet, OVER if ending is HoldStatus.EXPIRED else RELEASED)


def _ended(hold: HoldState) -> Refused | None:
    if hold.status is HoldStatus.OPEN:
        return None
    if hold.timed_out:
        return Refused(
            code=RefusalCode.HOLD_EXPIRED,
            message=f"This hold ended at {hold.expires_at:%Y-%m-%d %H:%M:%S} UTC; what was open of it was given back."
            " Place a new one.",
        )
    if hold.status is HoldStatus.CAPTURED:
        return Refused(
            code=RefusalCode.HOLD_CAPTURED,
            message=f"This hold is settled: {hold.captured:,} credits were captured, {hold.released:,} released.",
        )
    return Refused(code=RefusalCode.HOLD_RELEASED, message="All of this hold was released. Place a new one.")


def _no_item(hold: HoldState) -> Refused:
    return Refused(
        code=RefusalCode.INVALID,
        message="An item that is named is none of this hold's, or named twice. Its items: "
        + ", ".join(item.id for item in hold.items)
        + ".",
        field="items",
    )


def _settled(item: HoldItemState) -> Refused:
    code = RefusalCode.HOLD_CAPTURED if item.captured else RefusalCode.HOLD_RELEASED
    return Refused(
        code=code,
        message=f"Of {item.id}, {item.captured:,} were captured and {item.released:,} released. Nothing of it is open.",
        field="items",
    )


def _exceeds(item: HoldItemState, units: int) -> Refused:
    return Refused(
        code=RefusalCode.EXCEEDS_HOLD,
        message=f"{item.open:,} of {item.id} are open, this names {units:,}. Name at most so many.",
        field="items",
    )
