"""The chain of hashes: each transaction of a wallet carries the hash of the one before it.

SHA-256 over a length-prefixed text of its fields and draws, so that PostgreSQL can compute the same
(`chain_sql.py`): what is altered behind the service's back shows.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from credits.ledger.lots import Draw
from credits.ledger.text import length_prefixed
from credits.ledger.wallet import Line

GENESIS = bytes(32)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def line_hash(previous: bytes, line: Line) -> bytes:
    """The hash of a line whose own `hash` is not looked at."""
    fields = [
        previous.hex(),
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
        _microseconds(line.created_at),
        line.local_day.isoformat(),
        line.staging_type,
        line.quantity,
        line.transfer_id,
        line.counterpart_wallet_id,
        line.purchase_id,
        line.payment_id,
        line.hold_id,
        line.refunds_id,
        line.text.digest().hex() if line.text else None,
        _draws(line.draws),
    ]
    text = length_prefixed([None if value is None else str(value) for value in fields])
    return hashlib.sha256(text.encode()).digest()


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def _draws(draws: Iterable[Draw]) -> str:
    return ",".join(f"{draw.lot_id}={draw.credits}" for draw in sorted(draws, key=lambda draw: draw.lot_id))
