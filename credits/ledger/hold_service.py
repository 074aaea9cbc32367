"""What people ask of holds: promise credits, then spend what was done and give back the rest."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from credits.accounts.rules import Place
from credits.actors import Actor
from credits.errors import Refusal, RefusalCode
from credits.idempotency import Key, make_key
from credits.ids import Kind, make_id
from credits.ledger.commands import CaptureHold, ExtendHold, Part, PlaceHold, ReleaseHold, Wanted, check_amount
from credits.ledger.holds import LONGEST_DURATION, MAX_ITEMS, HoldState
from credits.ledger.posting import Refused
from credits.ledger.service import Done, answered, checked_items, written
from credits.ledger.text import SALT_BYTES
from credits.ledger.writer import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldInput:
    """Work to be promised for; `lasts_s` is 1 to 604,800 seconds."""

    wallet_id: str
    items: tuple[Wanted, ...]
    lasts_s: int
    reference: str | None
    metadata: Mapping[str, str] | None
    on_behalf_of: str | None
    idempotency_key: str


async def place_hold(writer: Writer, actor: Actor, place: Place, wanted: HoldInput) -> Done | Refused:
    """Promise credits, once per key."""
    key = make_key(
        scope=place.account_id,
        key=wanted.idempotency_key,
        operation="placeHold",
        fields={
            "walletId": wanted.wallet_id,
            "items": [[item.staging_type, item.quantity] for item in wanted.items],
            "expiresInSeconds": wanted.lasts_s,
            "reference": wanted.reference,
            "metadata": wanted.metadata,
            "onBehalfOf": wanted.on_behalf_of,
        },
    )
    command = PlaceHold(
        id=make_id(Kind.HOLD),
        wallet_id=wanted.wallet_id,
        actor=actor,
        key=key,
        text=written(wanted.reference, None, wanted.metadata),
        items=checked_items(wanted.items),
        lasts=_duration(wanted.lasts_s),
    )
    return await answered(await writer.post(command, account_id=place.account_id), command)


async def capture_hold(
    writer: Writer,
    actor: Actor,
    hold: HoldState,
    *,
    parts: Sequence[Part] | None,
    release_rest: bool,
    idempotency_key: str,
) -> Done | Refused:
    """Spend these parts of the hold, or all that is open, once per key."""
    command = CaptureHold(
        id=make_id(Kind.HOLD_STEP),
        wallet_id=hold.wallet_id,
        actor=actor,
        key=_key(hold, "captureHold", idempotency_key, parts, releaseRest=release_rest),
        hold_id=hold.id,
        parts=_checked(parts),
        release_rest=release_rest,
        salt=secrets.token_bytes(SALT_BYTES),
    )
    return await answered(await writer.post(command, account_id=hold.account_id), command)


async def release_hold(
    writer: Writer, actor: Actor, hold: HoldState, *, parts: Sequence[Part] | None, idempotency_key: str
) -> Done | Refused:
    """Give back these parts of the hold, or all that is open, once per key."""
    command = ReleaseHold(
        id=make_id(Kind.HOLD_STEP),
        wallet_id=hold.wallet_id,
        actor=actor,
        key=_key(hold, "releaseHold", idempotency_key, parts),
        hold_id=hold.id,
        parts=_checked(parts),
    )
    return await answered(await writer.post(command, account_id=hold.account_id), command)


async def extend_hold(
    writer: Writer, actor: Actor, hold: HoldState, *, lasts_s: int, idempotency_key: str
) -> Done | Refused:
    """Let the hold end so many seconds from now, once per key."""
    command = ExtendHold(
        id=make_id(Kind.HOLD_STEP),
        wallet_id=hold.wallet_id,
        actor=actor,
        key=_key(hold, "extendHold", idempotency_key, None, expiresInSeconds=lasts_s),
        hold_id=hold.id,
        lasts=_duration(lasts_s),
    )
    return await answered(await writer.post(command, account_id=hold.account_id), command)


def _key(hold: HoldState, operation: str, idempotency_key: str, parts: Sequence[Part] | None, **fields: object) -> Key:
    items = None if parts is None else [[part.item_id, part.quantity] for part in parts]
    return make_key(
        scope=hold.account_id,
        key=idempotency_key,
        operation=operation,
        fields={"holdId": hold.id, "items": items, **fields},
    )


def _checked(parts: Sequence[Part] | None) -> tuple[Part, ...] | None:
    if parts is None:
        return None
    if not 1 <= len(parts) <= MAX_ITEMS:
        raise Refusal(
            RefusalCode.INVALID, "Name at least one item, or leave items out for all that is open.", field="items"
        )
    for part in parts:
        if part.quantity is not None:
            check_amount(part.quantity, field="items")
    return tuple(parts)


def _duration(seconds: int) -> timedelta:
    longest = int(LONGEST_DURATION.total_seconds())
    if not 1 <= seconds <= longest:
        raise Refusal(
            RefusalCode.INVALID,
            f"A hold stands for 1 to {longest:,} seconds (7 days); this is {seconds:,}.",
            field="expiresInSeconds",
        )
    return timedelta(seconds=seconds)
