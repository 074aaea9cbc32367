"""What people ask of the ledger: their input checked, made a command, handed to the writer, and the answer read back.

Who may is decided before: these functions are told where the wallet stands and trust it. Holds are in `hold_service`.
"""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from credits.accounts.rules import Place
from credits.actors import Actor
from credits.catalogue.service import staging_types_by_code
from credits.errors import NotFound, Refusal, RefusalCode
from credits.idempotency import make_key
from credits.ids import Kind, kind_of, make_id
from credits.ledger import queries
from credits.ledger.commands import (
    MAX_BULK,
    Adjustment,
    Bulk,
    Command,
    Deduction,
    Grant,
    Refund,
    RefundReason,
    Transfer,
    Wanted,
    check_amount,
)
from credits.ledger.holds import MAX_ITEMS, HoldState
from credits.ledger.moving import way
from credits.ledger.posting import Posted, Refused, not_posted
from credits.ledger.store import Outcome, Replayed
from credits.ledger.text import SALT_BYTES, Text, clean_metadata
from credits.ledger.wallet import BalanceView, Line
from credits.ledger.writer import Writer
from credits.text import clean


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a call did, now or when it was first sent, and the balance (and the hold) as it is now."""

    lines: tuple[Line, ...]
    balance: BalanceView
    replayed: bool
    hold: HoldState | None = None

    @property
    def line(self) -> Line:
        """The transaction that was asked for."""
        return self.lines[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeductionInput:
    """A staging job to be paid: `quantity` of a type, at the catalogue's price."""

    wallet_id: str
    staging_type: str
    quantity: int
    reference: str | None
    description: str | None
    metadata: Mapping[str, str] | None
    on_behalf_of: str | None
    idempotency_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantInput:
    """Credits to be given. `priority` is 0 to 100, lower is spent first."""

    wallet_id: str
    credits: int
    reason: str
    expires_at: datetime | None
    priority: int
    idempotency_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundInput:
    """A deduction to be undone; `credits` None: all that is left of it."""

    transaction_id: str
    credits: int | None
    reason: RefundReason
    note: str | None
    idempotency_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferInput:
    """Credits to be moved between two wallets of an account."""

    from_wallet_id: str
    to_wallet_id: str
    credits: int
    note: str | None
    idempotency_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustmentInput:
    """A correction, either way."""

    wallet_id: str
    change: int
    reason: str
    idempotency_key: str


async def deduct(writer: Writer, actor: Actor, place: Place, wanted: DeductionInput) -> Done | Refused:
    """Spend credits on staging, once per key. A refusal changes nothing and binds no key."""
    command = _deduction(actor, place, wanted)
    return await answered(await writer.post(command, account_id=place.account_id), command)


async def deduct_many(
    writer: Writer, asked: Sequence[tuple[Actor, Place, DeductionInput] | Refused], *, atomic: bool
) -> list[Done | Refused]:
    """Up to 1,000 deductions in order, each standing or falling alone, or with `atomic` all together; what was refused
    before it came here keeps its place. Raises Refusal for a number outside 1 to 1,000 and, with `atomic`, for wallets
    of several accounts."""
    check_bulk(len(asked))
    ready = _one_per_key([_ready(each) for each in asked])
    places = {place.account_id for place, _ in (each for each in ready if isinstance(each, tuple))}
    if atomic and len(places) > 1:
        raise Refusal(
            RefusalCode.INVALID, "An atomic call stays within one account. Make a call for each.", field="atomic"
        )
    refused = next((each for each in ready if isinstance(each, Refused)), None)
    if atomic and refused:
        return [each if isinstance(each, Refused) else not_posted(refused) for each in ready]
    by_account: dict[str, list[Deduction]] = {account_id: [] for account_id in sorted(places)}
    for place, command in dict.fromkeys(each for each in ready if isinstance(each, tuple)):
        by_account[place.account_id].append(command)
    # All of them are handed in at once and seen to their end, whatever becomes of one of them.
    posted = await asyncio.gather(
        *(
            writer.post_bulk(Bulk(commands=tuple(commands), atomic=atomic), account_id=account_id)
            for account_id, commands in by_account.items()
        ),
        return_exceptions=True,
    )
    outcomes: dict[str, Outcome] = {}
    for commands, found in zip(by_account.values(), posted, strict=True):
        if isinstance(found, BaseException):
            raise found
        outcomes.update((command.id, outcome) for command, outcome in zip(commands, found, strict=True))
    return await _all_answered(ready, outcomes)


def check_bulk(deductions: int) -> None:
    """One call takes 1 to 1,000 deductions; anything else is refused before any effect."""
    if not 1 <= deductions <= MAX_BULK:
        raise Refusal(
            RefusalCode.INVALID,
            f"One call takes 1 to {MAX_BULK:,} deductions; this has {deductions:,}. Make several calls.",
            field="deductions",
        )


async def grant(writer: Writer, actor: Actor, place: Place, wanted: GrantInput) -> Done | Refused:
    """Give credits, once per key."""
    key = make_key(
        scope=place.account_id,
        key=wanted.idempotency_key,
        operation="grantCredits",
        fields={
            "walletId": wanted.wallet_id,
            "credits": wanted.credits,
            "reason": wanted.reason,
            "expiresAt": wanted.expires_at,
            "priority": wanted.priority,
        },
    )
    if not 0 <= wanted.priority <= 100:
        raise Refusal(RefusalCode.INVALID, "Between 0 and 100; lower is spent first.", field="priority")
    command = Grant(
        id=make_id(Kind.TRANSACTION),
        wallet_id=wanted.wallet_id,
        actor=actor,
        key=key,
        text=_reason(wanted.reason),
        credits=check_amount(wanted.credits, field="credits"),
        expires_at=wanted.expires_at,
        priority=wanted.priority,
    )
    return await answered(await writer.post(command, account_id=place.account_id), command)


async def adjust(writer: Writer, actor: Actor, place: Place, wanted: AdjustmentInput) -> Done | Refused:
    """Put a balance right, either way, once per key."""
    key = make_key(
        scope=place.account_id,
        key=wanted.idempotency_key,
        operation="adjustCredits",
        fields={"walletId": wanted.wallet_id, "change": wanted.change, "reason": wanted.reason},
    )
    text = _reason(wanted.reason)
    check_amount(abs(wanted.change), field="change")
    command = Adjustment(
        id=make_id(Kind.TRANSACTION), wallet_id=wanted.wallet_id, actor=actor, key=key, text=text, change=wanted.change
    )
    return await answered(await writer.post(command, account_id=place.account_id), command)


async def refund(writer: Writer, actor: Actor, place: Place, wanted: RefundInput) -> Done | Refused:
    """Undo a deduction of the wallet at that place, wholly or in part, once per key. The transaction keeps the reason
    in its metadata."""
    key = make_key(
        scope=place.account_id,
        key=wanted.idempotency_key,
        operation="refundDeduction",
        fields={
            "transactionId": wanted.transaction_id,
            "credits": wanted.credits,
            "reason": wanted.reason,
            "note": wanted.note,
        },
    )
    command = Refund(
        id=make_id(Kind.TRANSACTION),
        wallet_id=place.wallet_id or "",
        actor=actor,
        key=key,
        text=written(None, wanted.note, {"reason": wanted.reason}, description_field="note"),
        deduction_id=wanted.transaction_id,
        credits=None if wanted.credits is None else check_amount(wanted.credits, field="credits"),
        reason=wanted.reason,
    )
    return await answered(await writer.post(command, account_id=place.account_id), command)


async def allocate(writer: Writer, actor: Actor, source: Place, target: Place, wanted: TransferInput) -> Done | Refused:
    """Move credits between wallets of an account, once per key; the two transactions are those of the giving wallet
    and of the receiving one. Raises Refusal for the same wallet twice and for ways that there are not."""
    key = make_key(
        scope=source.account_id,
        key=wanted.idempotency_key,
        operation="allocateCredits",
        fields={
            "fromWalletId": wanted.from_wallet_id,
            "toWalletId": wanted.to_wallet_id,
            "credits": wanted.credits,
            "note": wanted.note,
        },
    )
    command = Transfer(
        id=make_id(Kind.TRANSFER),
        wallet_id=wanted.from_wallet_id,
        actor=actor,
        key=key,
        text=written(None, wanted.note, None, description_field="note"),
        to_wallet_id=wanted.to_wallet_id,
        kind=way(source, target),
        credits=check_amount(wanted.credits, field="credits"),
    )
    return await answered(await writer.post(command, account_id=source.account_id), command)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What work would cost now, and whether the wallet can pay it."""

    credits: int
    sufficient: bool
    missing: int


async def estimate(wallet_id: str, items: Sequence[Wanted]) -> Estimate:
    """The price of work, before it is done. Refused as spending on it would be: unknown types, too much at once."""
    offered = await staging_types_by_code()
    cost = 0
    for item in checked_items(items):
        view = offered.get(item.staging_type)
        if view is None or not view.active:
            raise Refusal(
                RefusalCode.UNKNOWN_STAGING_TYPE,
                f"There is no staging type {item.staging_type!r}. The query stagingTypes lists those there are.",
                field="items",
            )
        cost += view.credits * item.quantity
    check_amount(cost, field="items")
    means = await queries.means_of(wallet_id)
    missing = max(cost - means.available, 0)
    return Estimate(credits=cost, sufficient=not missing and means.may_spend, missing=missing)


def checked_items(items: Sequence[Wanted]) -> tuple[Wanted, ...]:
    """Work of 1 to 100 items, each of at least one unit, or a refusal."""
    if not 1 <= len(items) <= MAX_ITEMS:
        raise Refusal(RefusalCode.INVALID, f"Name 1 to {MAX_ITEMS} items; these are {len(items):,}.", field="items")
    for item in items:
        check_amount(item.quantity, field="items")
    return tuple(items)


def _deduction(actor: Actor, place: Place, wanted: DeductionInput) -> Deduction:
    key = make_key(
        scope=place.account_id,
        key=wanted.idempotency_key,
        operation="deductCredits",
        fields={
            "walletId": wanted.wallet_id,
            "stagingType": wanted.staging_type,
            "quantity": wanted.quantity,
            "reference": wanted.reference,
            "description": wanted.description,
            "metadata": wanted.metadata,
            "onBehalfOf": wanted.on_behalf_of,
        },
    )
    return Deduction(
        id=make_id(Kind.TRANSACTION),
        wallet_id=wanted.wallet_id,
        actor=actor,
        key=key,
        text=written(wanted.reference, wanted.description, wanted.metadata),
        staging_type=wanted.staging_type,
        quantity=check_amount(wanted.quantity, field="quantity"),
    )


Ready = tuple[Place, Deduction] | Refused


def _ready(asked: tuple[Actor, Place, DeductionInput] | Refused) -> Ready:
    if isinstance(asked, Refused):
        return asked
    actor, place, wanted = asked
    try:
        return place, _deduction(actor, place, wanted)
    except Refusal as refusal:
        return Refused(code=refusal.code, message=refusal.message, field=refusal.field)


def _one_per_key(ready: Sequence[Ready]) -> list[Ready]:
    """A key that comes again in the same call stands for the first command that it came with."""
    first: dict[object, tuple[Place, Deduction]] = {}
    found: list[Ready] = []
    for each in ready:
        if isinstance(each, Refused) or each[1].key is None:
            found.append(each)
            continue
        before = first.setdefault(each[1].key.identity, each)
        same = before[1].key == each[1].key
        found.append(before if same else _reused())
    return found


def _reused() -> Refused:
    return Refused(
        code=RefusalCode.IDEMPOTENCY_KEY_REUSED,
        message="This key stands further up in this call with other input. Take a key for each deduction.",
        field="idempotencyKey",
    )


async def _all_answered(ready: Sequence[Ready], outcomes: Mapping[str, Outcome]) -> list[Done | Refused]:
    """As `answered`, for many: what was done before is read at once."""
    done_before = {
        command_id: outcome.result_id for command_id, outcome in outcomes.items() if isinstance(outcome, Replayed)
    }
    lines = await queries.lines_by_id(done_before.values())
    balances = await queries.balances({line.wallet_id for line in lines.values()})
    answers: list[Done | Refused] = []
    seen: set[str] = set()
    for each in ready:
        if isinstance(each, Refused):
            answers.append(each)
            continue
        command = each[1]
        outcome = outcomes[command.id]
        if isinstance(outcome, Posted):
            answers.append(Done(lines=outcome.lines, balance=outcome.balance, replayed=command.id in seen))
        elif isinstance(outcome, Refused):
            answers.append(outcome)
        elif isinstance(outcome, Replayed):
            line = lines[outcome.result_id]
            replayed = outcome.result_id != command.id or command.id in seen
            answers.append(Done(lines=(line,), balance=balances[line.wallet_id], replayed=replayed))
        else:
            raise NotFound
        seen.add(command.id)
    return answers


def written(
    reference: str | None,
    description: str | None,
    metadata: Mapping[str, str] | None,
    *,
    description_field: str = "description",
) -> Text | None:
    """The free text of a transaction, normalized, with a salt of its own; None where there is none. Raises Refusal."""
    if reference is None and description is None and metadata is None:
        return None
    return Text(
        salt=secrets.token_bytes(SALT_BYTES),
        reference=clean(reference, field="reference"),
        description=clean(description, field=description_field, lines=True),
        metadata=clean_metadata(metadata),
    )


def _reason(reason: str) -> Text | None:
    if not reason.strip():
        raise Refusal(RefusalCode.INVALID, "Say why; the account reads it in its history.", field="reason")
    return written(None, reason, None, description_field="reason")


async def answered(outcome: Outcome, command: Command) -> Done | Refused:
    """What the caller is told. A call that was done before answers what it did then, with the balance as it is now."""
    if isinstance(outcome, Refused):
        return outcome
    if isinstance(outcome, Posted):
        return Done(lines=outcome.lines, balance=outcome.balance, hold=outcome.hold, replayed=False)
    if not isinstance(outcome, Replayed):
        raise NotFound
    lines: list[Line] = []
    hold = None
    match kind_of(outcome.result_id):
        case Kind.HOLD:
            hold = await queries.hold(outcome.result_id)
        case Kind.HOLD_STEP:
            lines, hold = await queries.step(outcome.result_id)
        case Kind.TRANSFER:
            lines = await queries.lines_of_transfer(outcome.result_id)
        case _:
            lines = list((await queries.lines_by_id([outcome.result_id])).values())
    balances = await queries.balances([command.wallet_id])
    # Our own id: the commit had been done, but its answer was lost on the way and the writer sent it again.
    replayed = outcome.result_id != command.id
    return Done(lines=tuple(lines), balance=balances[command.wallet_id], hold=hold, replayed=replayed)
