"""Rows of what was used, by day and by month, as arrays: one statement adds a whole batch, as in `rows.py`."""

from collections.abc import Sequence
from typing import Any

from credits.ledger.usage import Use

# In the order of their keys, as all who write them: whoever adds to the same rows waits, and nobody in a circle.
_ADD = """
INSERT INTO usage_{unit}s AS kept (
    wallet_id, {unit}, staging_type, person_id, account_id, credits, refunded, operations
)
SELECT * FROM unnest($1::text[], $2::date[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
                     $8::bigint[])
ON CONFLICT (wallet_id, {unit}, staging_type, person_id) DO UPDATE
SET credits = kept.credits + excluded.credits, refunded = kept.refunded + excluded.refunded,
    operations = kept.operations + excluded.operations
"""
ADD_DAYS = _ADD.format(unit="day")
ADD_MONTHS = _ADD.format(unit="month")


def use_columns(uses: Sequence[Use]) -> list[list[Any]]:
    """For ADD_DAYS, and by month for ADD_MONTHS."""
    return [list(column) for column in zip(*((*use.key, use.account_id, *use.amounts) for use in uses), strict=True)]
