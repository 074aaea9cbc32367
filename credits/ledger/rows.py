"""The ledger's rows as arrays, and back: one statement writes a whole batch through `unnest`.

The columns of each statement and the function that fills them stand together, in the same order.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from credits.actors import Actor, ActorKind
from credits.alerts.rules import AlertPhase, AlertState
from credits.ledger.holds import HoldItemState, HoldState, Step
from credits.ledger.lots import LotState
from credits.ledger.models import HoldStatus, LotSource, OwnerKind
from credits.ledger.posting import TakenBack
from credits.ledger.wallet import Line, WalletState

_PARAMETER = re.compile(r"\$(\d+)")
Row = Mapping[str, Any]
Columns = list[list[Any]]

INSERT_LOTS = """
INSERT INTO lots (id, wallet_id, account_id, source, amount, remaining, held, paid_minor, paid_for, currency,
                  expires_at, priority, origin_id, purchase_id, created_at, frozen_by, renewed)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
                     $8::bigint[], $9::bigint[], $10::text[], $11::timestamptz[], $12::smallint[], $13::text[],
                     $14::text[], $15::timestamptz[], $16::text[], $17::bool[])
"""


def lot_columns(lots: Sequence[LotState]) -> Columns:
    """For INSERT_LOTS."""
    return _columns(
        [
            (
                lot.id,
                lot.wallet_id,
                lot.account_id,
                lot.source.value,
                lot.amount,
                lot.remaining,
                lot.held,
                lot.paid_minor,
                lot.paid_for,
                lot.currency,
                lot.expires_at,
                lot.priority,
                lot.origin_id,
                lot.purchase_id,
                lot.created_at,
                lot.frozen_by,
                lot.renewed,
            )
            for lot in lots
        ]
    )


UPDATE_LOTS = """
UPDATE lots SET remaining = m.remaining, held = m.held, frozen_by = m.frozen_by, renewed = m.renewed
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::bool[])
    AS m (id, remaining, held, frozen_by, renewed)
WHERE lots.id = m.id
"""


def changed_lot_columns(lots: Sequence[LotState]) -> Columns:
    """For UPDATE_LOTS."""
    return _columns([(lot.id, lot.remaining, lot.held, lot.frozen_by, lot.renewed) for lot in lots])


INSERT_HOLDS = """
INSERT INTO holds (id, account_id, wallet_id, status, credits, actor_kind, actor_id, on_behalf_of, reference, metadata,
                   expires_at, created_at, closed_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[],
                     $9::text[], $10::jsonb[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[])
"""


def hold_columns(holds: Sequence[HoldState]) -> Columns:
    """For INSERT_HOLDS."""
    return _columns(
        [
            (
                hold.id,
                hold.account_id,
                hold.wallet_id,
                hold.status.value,
                hold.credits,
                hold.actor.kind.value,
                hold.actor.id,
                hold.actor.on_behalf_of,
                hold.reference,
                None if hold.metadata is None else json.dumps(dict(hold.metadata)),
                hold.expires_at,
                hold.created_at,
                hold.closed_at,
            )
            for hold in holds
        ]
    )


UPDATE_HOLDS = """
UPDATE holds SET status = m.status, expires_at = m.expires_at, closed_at = m.closed_at
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[]) AS m (id, status, expires_at, closed_at)
WHERE holds.id = m.id
"""


def changed_hold_columns(holds: Sequence[HoldState]) -> Columns:
    """For UPDATE_HOLDS."""
    return _columns([(hold.id, hold.status.value, hold.expires_at, hold.closed_at) for hold in holds])


INSERT_HOLD_ITEMS = """
INSERT INTO hold_items (id, hold_id, account_id, staging_type, price, quantity, captured, released)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::bigint[],
                     $8::bigint[])
"""
UPDATE_HOLD_ITEMS = """
UPDATE hold_items SET captured = m.captured, released = m.released
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS m (id, captured, released) WHERE hold_items.id = m.id
"""


def hold_item_columns(holds: Sequence[HoldState]) -> Columns:
    """For INSERT_HOLD_ITEMS."""
    return _columns(
        [
            (
                item.id,
                hold.id,
                hold.account_id,
                item.staging_type,
                item.price,
                item.quantity,
                item.captured,
                item.released,
            )
            for hold in holds
            for item in hold.items
        ]
    )


def changed_hold_item_columns(holds: Sequence[HoldState]) -> Columns:
    """For UPDATE_HOLD_ITEMS."""
    return _columns([(item.id, item.captured, item.released) for hold in holds for item in hold.items])


# What a hold reserves is written anew whenever it has changed: a row is there only while something is reserved.
DELETE_RESERVATIONS = "DELETE FROM reservations WHERE hold_id = ANY($1)"
INSERT_RESERVATIONS = """
INSERT INTO reservations (hold_id, lot_id, account_id, credits)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
"""


def reservation_columns(holds: Sequence[HoldState]) -> Columns:
    """For INSERT_RESERVATIONS; no columns at all where nothing is reserved any more."""
    return _columns(
        [
            (hold.id, lot_id, hold.account_id, credits_kept)
            for hold in holds
            for lot_id, credits_kept in hold.reservations.items()
        ]
    )


INSERT_STEPS = """
INSERT INTO hold_steps (id, item_id, hold_id, account_id, kind, quantity, transaction_id, actor_kind, actor_id,
                        created_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[],
                     $9::text[], $10::timestamptz[])
"""


def step_columns(steps: Sequence[Step]) -> Columns:
    """For INSERT_STEPS."""
    return _columns(
        [
            (
                step.id,
                step.item_id,
                step.hold_id,
                step.account_id,
                step.kind.value,
                step.quantity,
                step.transaction_id,
                step.actor.kind.value,
                step.actor.id,
                step.at,
            )
            for step in steps
        ]
    )


INSERT_CLAWBACKS = """
INSERT INTO clawbacks (id, account_id, wallet_id, purchase_id, source_id, credits, debt, created_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
                     $8::timestamptz[])
"""


def clawback_columns(clawbacks: Sequence[TakenBack]) -> Columns:
    """For INSERT_CLAWBACKS."""
    return _columns(
        [
            (
                each.id,
                each.account_id,
                each.wallet_id,
                each.purchase_id,
                each.source_id,
                each.credits,
                each.debt,
                each.at,
            )
            for each in clawbacks
        ]
    )


INSERT_LINES = """
INSERT INTO transactions (id, account_id, wallet_id, sequence, kind, change, balance_after, version, actor_kind,
                          actor_id, on_behalf_of, created_at, local_day, staging_type, quantity, transfer_id,
                          counterpart_wallet_id, purchase_id, payment_id, hold_id, refunds_id, text_digest, hash)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[],
                     $8::bigint[], $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::date[], $14::text[],
                     $15::int[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[],
                     $22::bytea[], $23::bytea[])
"""


def line_columns(lines: Sequence[Line]) -> Columns:
    """For INSERT_LINES."""
    return _columns(
        [
            (
                line.id,
                line.account_id,
                line.wallet_id,
                line.sequence,
                line.kind.value,
                line.change,
                line.balance_after,
                line.version,
                line.actor.kind.value,
                line.actor.id,
                line.actor.on_behalf_of,
                line.created_at,
                line.local_day,
                line.staging_type,
                line.quantity,
                line.transfer_id,
                line.counterpart_wallet_id,
                line.purchase_id,
                line.payment_id,
                line.hold_id,
                line.refunds_id,
                line.text.digest() if line.text else None,
                line.hash,
            )
            for line in lines
        ]
    )


INSERT_DRAWS = """
INSERT INTO transaction_lots (transaction_id, lot_id, account_id, credits)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
"""


def draw_columns(lines: Sequence[Line]) -> Columns:
    """For INSERT_DRAWS."""
    return _columns([(line.id, draw.lot_id, line.account_id, draw.credits) for line in lines for draw in line.draws])


INSERT_TEXTS = """
INSERT INTO transaction_texts (transaction_id, salt, reference, description, metadata)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::jsonb[])
"""


def text_columns(lines: Sequence[Line]) -> Columns:
    """For INSERT_TEXTS, of the lines that have a text."""
    return _columns(
        [
            (
                line.id,
                line.text.salt,
                line.text.reference,
                line.text.description,
                None if line.text.metadata is None else json.dumps(dict(line.text.metadata)),
            )
            for line in lines
            if line.text
        ]
    )


UPDATE_WALLETS = """
UPDATE wallets SET balance = m.balance, held = m.held, debt = m.debt, sequence = m.sequence, version = m.version,
                   last_hash = m.last_hash, last_posted_at = m.last_posted_at, alert_phase = m.alert_phase,
                   alert_episode = m.alert_episode, alert_fired_at = m.alert_fired_at
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[],
            $8::timestamptz[], $9::text[], $10::bigint[], $11::timestamptz[])
    AS m (id, balance, held, debt, sequence, version, last_hash, last_posted_at, alert_phase, alert_episode,
          alert_fired_at)
WHERE wallets.id = m.id
"""


def wallet_columns(wallets: Sequence[WalletState]) -> Columns:
    """For UPDATE_WALLETS."""
    return _columns(
        [
            (
                wallet.id,
                wallet.balance,
                wallet.held,
                wallet.debt,
                wallet.sequence,
                wallet.version,
                wallet.last_hash,
                wallet.last_posted_at,
                wallet.alert.phase.value,
                wallet.alert.episode,
                wallet.alert.fired_at,
            )
            for wallet in wallets
        ]
    )


def together(parts: Sequence[tuple[str, Columns]]) -> tuple[str, Columns]:
    """Statements that write different rows as one: a round trip instead of many. (PostgreSQL checks foreign keys when
    all of it is done.)"""
    sql: list[str] = []
    values: Columns = []
    for statement, columns in parts:
        sql.append(_renumbered(statement, len(values)))
        values += columns
    steps = ", ".join(f"step_{number} AS ({statement})" for number, statement in enumerate(sql[:-1]))
    return (f"WITH {steps} {sql[-1]}" if steps else sql[-1]), values


@lru_cache(maxsize=1_000)
def _renumbered(statement: str, parameters_before: int) -> str:
    return _PARAMETER.sub(lambda found: f"${int(found[1]) + parameters_before}", statement)


def _columns(records: Sequence[tuple[Any, ...]]) -> Columns:
    return [list(column) for column in zip(*records, strict=True)]


# With items in the order in which they were named; the rest of the query says which holds.
HOLDS = """
SELECT h.*,
       (SELECT json_agg(json_build_object('id', i.id, 'staging_type', i.staging_type, 'price', i.price,
                                          'quantity', i.quantity, 'captured', i.captured, 'released', i.released)
                        ORDER BY i.id COLLATE "C") FROM hold_items i WHERE i.hold_id = h.id) AS items,
       (SELECT coalesce(json_object_agg(r.lot_id, r.credits), '{}') FROM reservations r WHERE r.hold_id = h.id)
           AS reservations
FROM holds h
"""


def wallet_state(row: Row) -> WalletState:
    """A wallet without its lots, from a row of `wallets` joined with its account."""
    return WalletState(
        id=row["id"],
        account_id=row["account_id"],
        owner_kind=OwnerKind(row["owner_kind"]),
        time_zone=row["time_zone"],
        former_time_zone=row["former_time_zone"],
        time_zone_from=row["time_zone_from"],
        suspended=row["suspended"],
        balance=row["balance"],
        held=row["held"],
        debt=row["debt"],
        sequence=row["sequence"],
        version=row["version"],
        last_hash=row["last_hash"],
        last_posted_at=row["last_posted_at"],
        alert=AlertState(
            threshold=row["alert_threshold"],
            enabled=row["alert_enabled"],
            phase=AlertPhase(row["alert_phase"]),
            episode=row["alert_episode"],
            fired_at=row["alert_fired_at"],
            snoozed_until=row["alert_snoozed_until"],
        ),
        top_up_below=row["top_up_below"],
        top_up_asked=row["top_up_asked"],
    )


def lot_state(row: Row) -> LotState:
    """A lot, from a row of `lots`."""
    return LotState(
        id=row["id"],
        wallet_id=row["wallet_id"],
        account_id=row["account_id"],
        source=LotSource(row["source"]),
        amount=row["amount"],
        remaining=row["remaining"],
        held=row["held"],
        paid_minor=row["paid_minor"],
        paid_for=row["paid_for"],
        currency=row["currency"],
        expires_at=row["expires_at"],
        priority=row["priority"],
        frozen_by=row["frozen_by"],
        created_at=row["created_at"],
        origin_id=row["origin_id"],
        purchase_id=row["purchase_id"],
        renewed=row["renewed"],
    )


def hold_state(row: Row) -> HoldState:
    """A hold, from a row of `HOLDS`."""
    return HoldState(
        id=row["id"],
        account_id=row["account_id"],
        wallet_id=row["wallet_id"],
        status=HoldStatus(row["status"]),
        credits=row["credits"],
        actor=Actor(kind=ActorKind(row["actor_kind"]), id=row["actor_id"], on_behalf_of=row["on_behalf_of"]),
        reference=row["reference"],
        metadata=None if row["metadata"] is None else tuple(sorted(json.loads(row["metadata"]).items())),
        expires_at=row["expires_at"],
        created_at=row["created_at"],
        closed_at=row["closed_at"],
        items=[HoldItemState(**item) for item in json.loads(row["items"])],
        reservations=json.loads(row["reservations"]),
    )
