"""The ledger's rows as arrays, and back: one statement writes a whole batch through `unnest`.

The columns of each statement and the function that fills them stand together, in the same order.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from credits.alerts.rules import AlertPhase, AlertState
from credits.ledger.lots import LotState
from credits.ledger.models import LotSource, OwnerKind
from credits.ledger.wallet import Line, WalletState

Row = Mapping[str, Any]
Columns = list[list[Any]]

INSERT_LOTS = """
INSERT INTO lots (id, wallet_id, account_id, source, amount, remaining, held, paid_minor, currency, expires_at,
                  priority, origin_id, purchase_id, created_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
                     $8::bigint[], $9::text[], $10::timestamptz[], $11::smallint[], $12::text[], $13::text[],
                     $14::timestamptz[])
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
                lot.currency,
                lot.expires_at,
                lot.priority,
                lot.origin_id,
                lot.purchase_id,
                lot.created_at,
            )
            for lot in lots
        ]
    )


UPDATE_LOTS = """
UPDATE lots SET remaining = changed.remaining
FROM unnest($1::text[], $2::bigint[]) AS changed (id, remaining) WHERE lots.id = changed.id
"""

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
    """For INSERT_TEXTS; every line has a text."""
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


def _columns(records: Sequence[tuple[Any, ...]]) -> Columns:
    return [list(column) for column in zip(*records, strict=True)]


def wallet_state(row: Row) -> WalletState:
    """A wallet without its lots, from a row of `wallets` joined with its account."""
    return WalletState(
        id=row["id"],
        account_id=row["account_id"],
        owner_kind=OwnerKind(row["owner_kind"]),
        time_zone=row["time_zone"],
        suspended=row["suspended"],
        account_in_debt=row["debt"] > 0,
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
        currency=row["currency"],
        expires_at=row["expires_at"],
        priority=row["priority"],
        frozen=row["frozen_by"] is not None,
        created_at=row["created_at"],
        origin_id=row["origin_id"],
        purchase_id=row["purchase_id"],
    )
