"""The database's own refusals, each asked for by name: an ORM that forgets one is found here."""

import asyncpg
import pytest
from tortoise.connection import get_connection

from app.database import credentials
from credits.actors import SYSTEM
from tests.credits.ledger.busy import busy_account
from tests.support.service import Service

CONSTRAINTS = {
    "allocation_requests_credits",
    "allocation_requests_status",
    "allocation_rules_credits",
    "allocation_rules_department",
    "allocation_rules_period",
    "clawbacks_amounts",
    "clawbacks_wallet_id_fkey",
    "clock_offset_singleton_check",
    "hold_items_hold_id_fkey",
    "hold_items_price",
    "hold_items_units",
    "hold_steps_hold_id_fkey",
    "hold_steps_item_id_fkey",
    "hold_steps_kind",
    "hold_steps_pkey",
    "hold_steps_quantity",
    "hold_steps_transaction_id_fkey",
    "holds_credits",
    "holds_end",
    "holds_status",
    "holds_wallet_id_fkey",
    "idempotency_keys_pkey",
    "lots_credits",
    "lots_origin_id_fkey",
    "lots_paid",
    "lots_paid_for",
    "lots_priority",
    "lots_source",
    "lots_wallet_id_fkey",
    "packages_price",
    "purchases_amounts",
    "purchases_paid",
    "purchases_status",
    "purchases_wallet_id_fkey",
    "reservations_credits",
    "reservations_hold_id_fkey",
    "reservations_lot_id_fkey",
    "reservations_pkey",
    "staging_types_credits",
    "transaction_lots_credits",
    "transaction_lots_lot_id_fkey",
    "transaction_lots_pkey",
    "transaction_lots_transaction_id_fkey",
    "transaction_texts_transaction",
    "transactions_balance",
    "transactions_change",
    "transactions_deduction",
    "transactions_direction",
    "transactions_hash",
    "transactions_kind",
    "transactions_purchase",
    "transactions_refund",
    "transactions_sequence",
    "transactions_transfer",
    "transactions_wallet_id_fkey",
    "use_notices_percent",
    "wallets_balance",
    "wallets_debt",
    "wallets_held",
    "wallets_owner_kind",
    "wallets_sequence",
}
INDEXES = {
    "allocation_rules_due",
    "allocation_rules_pool",
    "clawbacks_account",
    "clawbacks_purchase",
    "hold_items_hold",
    "hold_steps_item",
    "holds_ending",
    "holds_of_wallet_open",
    "holds_wallet",
    "lots_lapsing",
    "lots_open",
    "lots_origin",
    "lots_purchase",
    "reservations_lot",
    "transaction_lots_lot",
    "transactions_account_time",
    "transactions_hold",
    "transactions_refunds",
    "transactions_transfer_id",
    "wallets_account",
    "wallets_in_debt",
}
UNIQUE_INDEXES = {
    "allocation_requests_once",
    "departments_name_unique",
    "pools_name_unique",
    "transactions_payment_once",
    "transactions_purchase_once",
    "users_email_unique",
}
UNIQUE_COLUMNS = {
    ("api_keys", "secret_hash"),
    ("clawbacks", "source_id"),
    ("department_members", "department_id,user_id"),
    ("identities", "issuer,subject"),
    ("inbox_events", "source,event_id"),
    ("memberships", "account_id,user_id"),
    ("pool_administrators", "pool_id,user_id"),
    ("purchases", "checkout_id"),
    ("transactions", "wallet_id,sequence"),
    ("use_notices", "subject_id,period_start,percent"),
    ("wallets", "owner_id"),
}
TRIGGERS = {
    "clawbacks_append_only",
    "clawbacks_no_truncate",
    "hold_items_no_delete",
    "hold_steps_append_only",
    "hold_steps_no_truncate",
    "holds_no_delete",
    "lots_no_delete",
    "transaction_lots_append_only",
    "transaction_lots_no_truncate",
    "transaction_texts_unaltered",
    "transactions_append_only",
    "transactions_no_truncate",
    "wallets_no_delete",
}


async def names(sql: str) -> set[str]:
    return {row["name"] for row in await get_connection("default").execute_query_dict(sql)}


async def test_every_constraint_stands_in_the_database_and_is_in_force(service: Service) -> None:
    found = await names("SELECT conname AS name FROM pg_constraint WHERE convalidated")

    assert found >= CONSTRAINTS, CONSTRAINTS - found


async def test_every_index_stands(service: Service) -> None:
    found = await names("SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indisvalid")

    assert found >= INDEXES, INDEXES - found


async def test_what_is_to_be_unique_is(service: Service) -> None:
    indexes = await names("SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indisunique AND indisvalid")
    columns = await get_connection("default").execute_query_dict("""
        SELECT c.conrelid::regclass::text AS of_table,
               (SELECT string_agg(a.attname, ',' ORDER BY k.position)
                FROM unnest(c.conkey) WITH ORDINALITY AS k (number, position)
                JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number) AS columns
        FROM pg_constraint c WHERE c.contype = 'u'
    """)

    assert indexes >= UNIQUE_INDEXES, UNIQUE_INDEXES - indexes
    found = {(row["of_table"], row["columns"]) for row in columns}
    assert found >= UNIQUE_COLUMNS, UNIQUE_COLUMNS - found


async def test_every_trigger_stands_and_is_enabled(service: Service) -> None:
    found = await names("SELECT tgname AS name FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'")

    assert found >= TRIGGERS, TRIGGERS - found


# Of one account: meanwhile workers post what other tests have left to be posted.
_TRANSACTIONS = "SELECT md5(string_agg(t::text, '' ORDER BY id)) FROM transactions t WHERE account_id = $1"


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("UPDATE transactions SET change = change + 1", asyncpg.RestrictViolationError),
        ("UPDATE transactions SET actor_id = 'x'", asyncpg.RestrictViolationError),
        ("DELETE FROM transactions", asyncpg.RestrictViolationError),
        ("TRUNCATE transactions CASCADE", asyncpg.RestrictViolationError),
        ("UPDATE transaction_lots SET credits = 1", asyncpg.RestrictViolationError),
        ("DELETE FROM transaction_lots", asyncpg.RestrictViolationError),
        ("TRUNCATE transaction_lots", asyncpg.RestrictViolationError),
        ("UPDATE transaction_texts SET reference = 'x'", asyncpg.RestrictViolationError),
        ("UPDATE hold_steps SET quantity = 9", asyncpg.RestrictViolationError),
        ("DELETE FROM hold_steps", asyncpg.RestrictViolationError),
        ("TRUNCATE hold_steps", asyncpg.RestrictViolationError),
        ("DELETE FROM holds", asyncpg.RestrictViolationError),
        ("DELETE FROM hold_items", asyncpg.RestrictViolationError),
        ("UPDATE clawbacks SET credits = 9", asyncpg.RestrictViolationError),
        ("DELETE FROM clawbacks", asyncpg.RestrictViolationError),
        ("TRUNCATE clawbacks", asyncpg.RestrictViolationError),
        ("DELETE FROM wallets", asyncpg.RestrictViolationError),
        ("DELETE FROM lots", asyncpg.RestrictViolationError),
        ("DELETE FROM accounts", asyncpg.RestrictViolationError),
        ("UPDATE wallets SET balance = -1", asyncpg.CheckViolationError),
        ("UPDATE wallets SET balance = 2147483648", asyncpg.CheckViolationError),
        ("UPDATE wallets SET held = balance + 1", asyncpg.CheckViolationError),
        ("UPDATE wallets SET debt = -1", asyncpg.CheckViolationError),
        ("UPDATE lots SET remaining = amount + 1", asyncpg.CheckViolationError),
        ("UPDATE lots SET held = remaining + 1", asyncpg.CheckViolationError),
        ("UPDATE lots SET remaining = -1", asyncpg.CheckViolationError),
        ("UPDATE holds SET closed_at = credits_now()", asyncpg.CheckViolationError),
        ("UPDATE holds SET expires_at = created_at + interval '8 days'", asyncpg.CheckViolationError),
        ("UPDATE hold_items SET captured = quantity + 1", asyncpg.CheckViolationError),
        ("UPDATE reservations SET credits = 0", asyncpg.CheckViolationError),
        ("UPDATE users SET email = 'SAME@demo.example'", asyncpg.UniqueViolationError),
    ],
)
async def test_the_database_refuses_it_by_itself(
    service: Service, database_url: str, statement: str, error: type[Exception]
) -> None:
    ids = await busy_account(service, SYSTEM)
    outside = await asyncpg.connect(**credentials(database_url))
    try:
        before = await outside.fetchval(_TRANSACTIONS, ids["account"])

        # ForeignKeyViolation is the same refusal where PostgreSQL meets the reference before the trigger.
        with pytest.raises((error, asyncpg.ForeignKeyViolationError)):
            await outside.execute(statement)

        after = await outside.fetchval(_TRANSACTIONS, ids["account"])
        assert after == before
    finally:
        await outside.close()
