"""What is refused first: a table for each command that starts with everything wrong, and in which each row mends one
fault, until the command is done. Together the tables hold every refusal that the ledger has."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tortoise.transactions import in_transaction

from credits.errors import RefusalCode
from credits.idempotency import make_key
from credits.ledger.commands import AboutPayment, Command, Part, Wanted
from credits.ledger.models import HoldStatus, TransactionKind
from credits.ledger.posting import Posted, Refused, State
from credits.ledger.store import post
from credits.ledger.wallet import MAX_BALANCE, MAX_OPERATION
from tests.credits.ledger.states import (
    ACCOUNT,
    DAY,
    NOW,
    POOL,
    SISTER,
    WALLET,
    adjustment,
    bought,
    capture,
    clawback,
    deduction,
    extend,
    freeze,
    give_back,
    grant,
    hold_of,
    lot,
    place_hold,
    placed,
    posted,
    purchase_credit,
    refund,
    refused,
    release,
    spend,
    state,
    sweep,
    thaw,
    transfer,
    tree,
)
from tests.support.service import Service

INVALID, UNKNOWN = RefusalCode.INVALID, RefusalCode.UNKNOWN_STAGING_TYPE
SUSPENDED, IN_DEBT = RefusalCode.ACCOUNT_SUSPENDED, RefusalCode.IN_DEBT
SHORT, FULL = RefusalCode.INSUFFICIENT_CREDITS, RefusalCode.BALANCE_LIMIT_EXCEEDED
CAPTURED, RELEASED, OVER = RefusalCode.HOLD_CAPTURED, RefusalCode.HOLD_RELEASED, RefusalCode.HOLD_EXPIRED
EXCEEDS, REFUNDED = RefusalCode.EXCEEDS_HOLD, RefusalCode.ALREADY_REFUNDED

# Codes of purchases, approvals, accounts and pools, which have tests of their own.
ELSEWHERE = {
    RefusalCode.UNKNOWN_PACKAGE,
    RefusalCode.CUSTOM_PRICE_REQUIRED,
    RefusalCode.BELOW_MINIMUM,
    RefusalCode.ALREADY_DECIDED,
    RefusalCode.SELF_APPROVAL,
    RefusalCode.NOT_AN_APPROVER,
    RefusalCode.APPROVAL_EXPIRED,
    RefusalCode.WRONG_STATE,
    RefusalCode.NAME_TAKEN,
    RefusalCode.NOT_EMPTY,
    RefusalCode.LAST_OWNER,
    RefusalCode.PAYMENT_FAILED,
}
# What a payment or time has done is booked whatever the state of things.
NEVER_REFUSED = [
    purchase_credit(MAX_OPERATION),
    sweep(),
    freeze(),
    thaw(),
    clawback(5),
    give_back(5),
]

Mend = Callable[[State, Command], Command]
Row = tuple[str, Mend, RefusalCode | None, str | None]


@dataclass(frozen=True, slots=True)
class Faults:
    """A command with everything wrong, and rows that each mend one fault: what is refused then, and for which field."""

    state: State
    command: Command
    rows: list[Row]


def as_it_is(_: State, command: Command) -> Command:
    return command


def asking(**changes: Any) -> Mend:
    """The command asks for something else."""
    return lambda _, command: replace(command, **changes)


def wallet_with(wallet_id: str = WALLET, /, **changes: Any) -> Mend:
    """A wallet is another."""
    return lambda before, command: _with(before.wallets[wallet_id], changes, command)


def hold_with(**changes: Any) -> Mend:
    """The hold that the command names is another."""
    return lambda before, command: _with(before.holds[command.hold_id], changes, command)  # type: ignore[attr-defined]


def spent_with(**changes: Any) -> Mend:
    """The transaction that is to be refunded is another."""
    return lambda before, command: _with(before.spent[command.deduction_id], changes, command)  # type: ignore[attr-defined]


def _with(thing: object, changes: dict[str, Any], command: Command) -> Command:
    for name, value in changes.items():
        setattr(thing, name, value)
    return command


def elsewhere(*indebted: str) -> Mend:
    """Other accounts owe in wallets that are not named here."""
    return lambda before, command: _with(before, {"indebted_elsewhere": frozenset(indebted)}, command)


def spending() -> State:
    """Ten credits in the wallet of an account that is suspended and owes in this wallet and in others."""
    before = tree(lot(10))
    for each in before.wallets.values():
        each.suspended = True
    before.wallets[WALLET].debt = before.wallets[SISTER].debt = 1
    before.indebted_elsewhere = frozenset({ACCOUNT})
    return before


MAY_SPEND: list[Row] = [
    ("not suspended", wallet_with(suspended=False), IN_DEBT, None),
    ("no debt of its own", wallet_with(debt=0), IN_DEBT, None),
    ("no debt of another wallet", wallet_with(SISTER, debt=0), IN_DEBT, None),
    ("no debt of one that is not named", elsewhere("acct_other"), SHORT, None),
]


def deducting() -> Faults:
    """More than one operation moves, of a type that there is not."""
    return Faults(
        spending(),
        deduction(900_000_000, staging_type="NONE"),
        [
            ("everything wrong", as_it_is, UNKNOWN, "stagingType"),
            ("a type that was withdrawn", asking(staging_type="GONE"), UNKNOWN, "stagingType"),
            ("one that is offered", asking(staging_type="BASIC_ROOM"), INVALID, "quantity"),
            ("what one operation moves", asking(quantity=500_000_000), SUSPENDED, None),
            *MAY_SPEND,
            ("covered", asking(quantity=5), None, None),
        ],
    )


def holding() -> Faults:
    """The same, promised."""
    room, much = Wanted(staging_type="BASIC_ROOM", quantity=1), Wanted(staging_type="BASIC_ROOM", quantity=500_000_000)
    gone = Wanted(staging_type="GONE", quantity=1)
    return Faults(
        spending(),
        place_hold({"BASIC_ROOM": 500_000_000, "NONE": 1}),
        [
            ("everything wrong", as_it_is, UNKNOWN, "items"),
            ("a type that was withdrawn", asking(items=(much, gone)), UNKNOWN, "items"),
            ("types that are offered", asking(items=(much, room)), INVALID, "items"),
            ("what one operation moves", asking(items=(much,)), SUSPENDED, None),
            *MAY_SPEND,
            ("covered", asking(items=(room, room)), None, None),
        ],
    )


ENDED: list[Row] = [
    ("everything wrong", as_it_is, OVER, None),
    ("released before its end", hold_with(status=HoldStatus.RELEASED, closed_at=NOW), RELEASED, None),
    ("captured", hold_with(status=HoldStatus.CAPTURED), CAPTURED, None),
]


def settling(make: Callable[..., Command]) -> Faults:
    """A second step on a hold that is over; two of its items are settled, one either way, and two are open."""
    before = state(lot(50))
    wanted = tuple(Wanted(staging_type="BASIC_ROOM", quantity=quantity) for quantity in (1, 1, 3, 4))
    hold = hold_of(posted(before, replace(place_hold({}), items=wanted)))
    captured, released, twice, more = (item.id for item in hold.items)
    posted(before, capture(hold, {captured: 1}))
    posted(before, release(hold, {released: 1}))
    before.holds[hold.id].status = HoldStatus.EXPIRED
    before.holds[hold.id].closed_at = hold.expires_at
    stranger, again = Part(item_id="item_none", quantity=1), Part(item_id=twice, quantity=None)
    settled = (Part(item_id=captured, quantity=1), Part(item_id=released, quantity=None))
    rest = (Part(item_id=more, quantity=5),)
    return Faults(
        before,
        replace(make(hold), parts=(again, stranger, again, *settled, *rest)),  # type: ignore[call-arg]
        [
            *ENDED,
            ("open", hold_with(status=HoldStatus.OPEN, closed_at=None), INVALID, "items"),
            ("items of this hold", asking(parts=(again, again, *settled, *rest)), INVALID, "items"),
            ("each named once", asking(parts=(again, *settled, *rest)), CAPTURED, "items"),
            ("none that was captured", asking(parts=(again, settled[1], *rest)), RELEASED, "items"),
            ("none that was released", asking(parts=(again, *rest)), EXCEEDS, "items"),
            ("as much as is open", asking(parts=(again, Part(item_id=more, quantity=4))), None, None),
        ],
    )


def extending() -> Faults:
    """An extension beyond seven days of a hold that is over."""
    before = state(lot(50))
    hold = placed(before, {"BASIC_ROOM": 1})
    before.holds[hold.id].status = HoldStatus.EXPIRED
    before.holds[hold.id].closed_at = hold.expires_at
    return Faults(
        before,
        extend(hold, 8 * DAY),
        [
            *ENDED,
            ("open", hold_with(status=HoldStatus.OPEN, closed_at=None), INVALID, "expiresInSeconds"),
            ("seven days", asking(lasts=7 * DAY), None, None),
        ],
    )


def refunding() -> Faults:
    """Too much of a transaction that is no deduction and was all refunded, into a wallet that is full."""
    before = state(lot(10))
    line = spend(before, 5)
    before.spent[line.id].kind = TransactionKind.EXPIRY
    home = line.draws[0].lot_id
    before.spent[line.id].returned = {home: 10}
    before.wallets[WALLET].reserved = MAX_BALANCE
    return Faults(
        before,
        refund(line, 11),
        [
            ("everything wrong", as_it_is, INVALID, "transactionId"),
            ("a deduction", spent_with(kind=TransactionKind.DEDUCTION), REFUNDED, None),
            ("of which some is left", spent_with(returned={home: 4}), REFUNDED, "credits"),
            ("all of it", spent_with(returned={}), INVALID, "credits"),
            ("no more than it took", asking(credits=10), FULL, "credits"),
            ("room for it", wallet_with(reserved=MAX_BALANCE - 10), None, None),
        ],
    )


def moving() -> Faults:
    """Too much, out of a wallet that owes of a suspended account, into one that is full."""
    before = spending()
    before.wallets[POOL].reserved = MAX_BALANCE
    return Faults(
        before,
        transfer(11, WALLET, POOL),
        [
            ("everything wrong", as_it_is, SUSPENDED, None),
            ("not suspended", wallet_with(suspended=False), IN_DEBT, "fromWalletId"),
            ("no debt of its own", wallet_with(debt=0), SHORT, "credits"),
            ("covered", asking(credits=10), FULL, "credits"),
            ("room for it", wallet_with(POOL, reserved=MAX_BALANCE - 10), None, None),
        ],
    )


def granting() -> Faults:
    """Credits that have lapsed, into a wallet that is full."""
    return Faults(
        state(lot(10), reserved=MAX_BALANCE, suspended=True),
        grant(5, expires_at=NOW),
        [
            ("everything wrong", as_it_is, INVALID, "expiresAt"),
            ("an expiry to come", asking(expires_at=NOW + DAY), FULL, "credits"),
            ("room for it", wallet_with(reserved=MAX_BALANCE - 15), None, None),
        ],
    )


def adjusting(change: int) -> Faults:
    """More than a wallet of ten credits, which can take no more, has or can take."""
    before = state(lot(10), reserved=MAX_BALANCE - 10, suspended=True)
    wrong, mend = (FULL, wallet_with(reserved=0)) if change > 0 else (SHORT, asking(change=-10))
    return Faults(
        before, adjustment(change), [("everything wrong", as_it_is, wrong, "change"), ("mended", mend, None, None)]
    )


TABLES: dict[str, Callable[[], Faults]] = {
    "Deduction": deducting,
    "PlaceHold": holding,
    "CaptureHold": lambda: settling(capture),
    "ReleaseHold": lambda: settling(release),
    "ExtendHold": extending,
    "Refund": refunding,
    "Transfer": moving,
    "Grant": granting,
    "Adjustment": lambda: adjusting(1),
    "Adjustment downwards": lambda: adjusting(-11),
}


@pytest.mark.parametrize("table", TABLES)
def test_a_command_is_refused_for_the_first_fault_in_the_declared_order(table: str) -> None:
    faults = TABLES[table]()
    before, command = faults.state, faults.command
    *wrong, (_, last, *nothing) = faults.rows

    found = []
    for name, mend, _, _ in wrong:
        command = mend(before, command)
        outcome = refused(before, command)
        found.append((name, outcome.code, outcome.field))

    assert found == [(name, code, field) for name, _, code, field in wrong]
    assert nothing == [None, None]
    posted(before, last(before, command))


@pytest.mark.parametrize("command", NEVER_REFUSED)
def test_what_a_payment_or_time_has_done_is_booked_whatever_is_wrong(command: Command) -> None:
    before = tree(bought(10), lot(3, expires_at=NOW))
    for each in before.wallets.values():
        each.suspended, each.reserved = True, MAX_BALANCE
    before.wallets[SISTER].debt = 1
    before.indebted_elsewhere = frozenset({ACCOUNT})

    posted(before, command)


def test_every_kind_of_command_is_either_in_a_table_or_never_refused() -> None:
    known = {table.partition(" ")[0] for table in TABLES} | {type(command).__name__ for command in NEVER_REFUSED}

    kinds = {kind.__name__ for parent in (Command, AboutPayment) for kind in parent.__subclasses__()}

    assert known == kinds - {"AboutPayment"}


def test_every_refusal_stands_in_a_table_or_belongs_to_another_domain() -> None:
    of_the_rules = {code for table in TABLES.values() for _, _, code, _ in table().rows if code}
    of_the_store = {RefusalCode.IDEMPOTENCY_KEY_REUSED}

    assert of_the_rules | of_the_store | ELSEWHERE == set(RefusalCode)
    assert not (of_the_rules | of_the_store) & ELSEWHERE


async def test_a_key_that_was_used_for_other_input_goes_before_every_rule(service: Service) -> None:
    here = await service.account(credits_given=2)
    wallet_id = here.wallet_id or ""

    def keyed(quantity: int, staging_type: str) -> Command:
        key = make_key(scope=here.account_id, key="k", operation="deductCredits", fields={"quantity": quantity})
        return deduction(quantity, staging_type=staging_type, wallet_id=wallet_id, key=key)

    async with in_transaction() as connection:
        ((first,), (second,)) = (await post(connection, [keyed(1, "BASIC_ROOM"), keyed(900_000_000, "NONE")])).outcomes

    assert isinstance(first, Posted)
    assert isinstance(second, Refused)
    assert (second.code, second.field) == (RefusalCode.IDEMPOTENCY_KEY_REUSED, "idempotencyKey")
