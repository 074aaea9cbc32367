"""Rows of what was used, by day and by month, as arrays: one statement adds a whole batch, as in `rows.py`."""

from collections.abc import Sequence
from typing import Any

from credits.ledger.usage import Use


def add(unit: str) -> str:
    """A statement that adds so many rows of `use_columns` to days or months. They are in the order of their keys, as of
    all who write them: whoever adds to the same rows waits, and nobody in a circle."""
    return f"""
    INSERT INTO usage_{unit}s AS kept (
        wallet_id, {unit}, staging_type, person_id, account_id, credits, refunded, operations
    )
    SELECT * FROM unnest($1::text[], $2::date[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
                         $8::bigint[])
    ON CONFLICT (wallet_id, {unit}, staging_type, person_id) DO UPDATE
    SET credits = kept.credits + excluded.credits, refunded = kept.refunded + excluded.refunded,
        operations = kept.operations + excluded.operations
    """


ADD_DAYS, ADD_MONTHS = add("day"), add("month")


def delete(unit: str) -> str:
    """A statement that takes rows with these keys, the first columns of `use_columns`, out of days or months."""
    return f"""
    DELETE FROM usage_{unit}s kept
    USING unnest($1::text[], $2::date[], $3::text[], $4::text[]) AS gone (wallet_id, {unit}, staging_type, person_id)
    WHERE (kept.wallet_id, kept.{unit}, kept.staging_type, kept.person_id)
        = (gone.wallet_id, gone.{unit}, gone.staging_type, gone.person_id)
    """


def used_in(lines: str) -> str:
    """SQL of what these transactions, a table or a query in brackets, used by day."""
    return f"""
    SELECT wallet_id, day, staging_type, person_id, account_id, sum(credits)::bigint AS credits,
           sum(refunded)::bigint AS refunded, sum(operations)::bigint AS operations
    FROM (
        SELECT wallet_id, local_day AS day, staging_type, coalesce(on_behalf_of, actor_id) AS person_id, account_id,
               -change AS credits, 0 AS refunded, quantity AS operations
        FROM {lines} t WHERE kind = 'DEDUCTION'
        UNION ALL
        SELECT r.wallet_id, r.local_day, d.staging_type, coalesce(d.on_behalf_of, d.actor_id), r.account_id,
               0, r.change, 0
        FROM {lines} r LEFT JOIN transactions d ON d.id = r.refunds_id WHERE r.kind = 'REFUND'
    ) booked GROUP BY 1, 2, 3, 4, 5
    """


def use_columns(uses: Sequence[Use]) -> list[list[Any]]:
    """For `add`."""
    return [list(column) for column in zip(*((*use.key, use.account_id, *use.amounts) for use in uses), strict=True)]
