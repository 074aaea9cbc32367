"""The hashes of `chain.py` and `text.py` as SQL: what PostgreSQL computes has to be what Python wrote."""


def _prefixed(*parts: str) -> str:
    """`text.length_prefixed`."""
    return " || ".join(f"coalesce(octet_length(({part})::text) || ':' || ({part})::text, '-')" for part in parts)


def _sha256(text: str) -> str:
    return f"sha256(convert_to({text}, 'UTF8'))"


_FIELDS = (
    "coalesce(encode(t.hash_before, 'hex'), repeat('0', 64))",
    "t.id",
    "t.account_id",
    "t.wallet_id",
    "t.sequence",
    "t.kind",
    "t.change",
    "t.balance_after",
    "t.version",
    "t.actor_kind",
    "t.actor_id",
    "t.on_behalf_of",
    "(extract(epoch FROM t.created_at) * 1000000)::bigint",
    "to_char(t.local_day, 'YYYY-MM-DD')",
    "t.staging_type",
    "t.quantity",
    "t.transfer_id",
    "t.counterpart_wallet_id",
    "t.purchase_id",
    "t.payment_id",
    "t.hold_id",
    "t.refunds_id",
    "encode(t.text_digest, 'hex')",
    "coalesce(d.draws, '')",
)
# `chain.line_hash` of a transaction t, with the `hash_before` it, and its draws as text in d.
HASH = _sha256(_prefixed(*_FIELDS))

# Metadata that is no object can only be wrong, and must not end the audit.
_METADATA = f"""
CASE WHEN x.metadata IS NULL THEN '-' ELSE (
    SELECT coalesce(string_agg({_prefixed("key", "value")}, '' ORDER BY key COLLATE "C"), '')
    FROM jsonb_each_text(CASE jsonb_typeof(x.metadata) WHEN 'object' THEN x.metadata ELSE '{{}}' END)
) END
"""
# `Text.digest` of a row x of `transaction_texts`.
DIGEST = _sha256(_prefixed("encode(x.salt, 'hex')", "x.reference", "x.description") + f" || {_METADATA}")
