"""Reads of accounts and people: how a caller stands, where things stand, and the rows behind both."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from tortoise.connection import get_connection

from credits.accounts.models import AccountKind, AccountRole
from credits.accounts.rules import Place

_STANDING = """
SELECT m.account_id, m.role,
       array(SELECT pool_id FROM pool_administrators p WHERE p.user_id = $1 AND p.account_id = m.account_id) AS pools,
       array(SELECT department_id FROM department_members d
             WHERE d.user_id = $1 AND d.account_id = m.account_id) AS departments
FROM memberships m WHERE m.user_id = $1 ORDER BY m.id
"""
_ACCOUNT_PLACES = """
SELECT a.id, a.id AS account_id, a.kind, NULL AS pool_id, NULL AS department_id, w.id AS wallet_id, false AS closed
FROM accounts a JOIN wallets w ON w.owner_id = a.id WHERE a.id = ANY($1)
"""
_POOL_PLACES = """
SELECT p.id, p.account_id, a.kind, p.id AS pool_id, NULL AS department_id, w.id AS wallet_id,
       p.deleted_at IS NOT NULL AS closed
FROM pools p JOIN accounts a ON a.id = p.account_id JOIN wallets w ON w.owner_id = p.id WHERE p.id = ANY($1)
"""
_DEPARTMENT_PLACES = """
SELECT d.id, d.account_id, a.kind, d.pool_id, d.id AS department_id, w.id AS wallet_id,
       d.deleted_at IS NOT NULL AS closed
FROM departments d JOIN accounts a ON a.id = d.account_id JOIN wallets w ON w.owner_id = d.id WHERE d.id = ANY($1)
"""
_WALLET_PLACES = """
SELECT w.id, w.account_id, a.kind, w.id AS wallet_id,
       CASE w.owner_kind WHEN 'POOL' THEN w.owner_id WHEN 'DEPARTMENT' THEN d.pool_id END AS pool_id,
       d.id AS department_id, d.deleted_at IS NOT NULL OR p.deleted_at IS NOT NULL AS closed
FROM wallets w JOIN accounts a ON a.id = w.account_id
LEFT JOIN pools p ON w.owner_kind = 'POOL' AND p.id = w.owner_id
LEFT JOIN departments d ON w.owner_kind = 'DEPARTMENT' AND d.id = w.owner_id
WHERE w.id = ANY($1)
"""
_FOUND = """
SELECT a.id FROM accounts a
WHERE ($1 = '' OR a.id = $1 OR strpos(lower(a.name), lower($1)) > 0 OR EXISTS (
    SELECT 1 FROM memberships m JOIN users u ON u.id = m.user_id
    WHERE m.account_id = a.id AND strpos(lower(u.email), lower($1)) > 0))
    AND ($2::timestamptz IS NULL OR (a.created_at, a.id) < ($2, $3::text))
ORDER BY a.created_at DESC, a.id DESC LIMIT $4
"""
_IN_CHAT = """
SELECT DISTINCT l.user_id, l.team_id AS linked, c.org_id AS connected
FROM slack_links l LEFT JOIN memberships m ON m.user_id = l.user_id
LEFT JOIN slack_connections c ON c.account_id = m.account_id AND c.revoked_at IS NULL
WHERE l.user_id = ANY($1)
"""


async def _read(sql: str, *values: Any) -> list[dict[str, Any]]:
    return await get_connection("default").execute_query_dict(sql, list(values))


async def memberships(user_id: str) -> tuple[dict[str, AccountRole], frozenset[str], frozenset[str]]:
    """A person's roles by account, and the pools they administer and departments they belong to there."""
    found = await _read(_STANDING, user_id)
    return (
        {row["account_id"]: AccountRole(row["role"]) for row in found},
        frozenset(pool for row in found for pool in row["pools"]),
        frozenset(department for row in found for department in row["departments"]),
    )


async def account_places(ids: Iterable[str]) -> dict[str, Place]:
    """Where these accounts stand, by id."""
    return await _places(_ACCOUNT_PLACES, ids)


async def pool_places(ids: Iterable[str]) -> dict[str, Place]:
    """Where these pools stand, by id."""
    return await _places(_POOL_PLACES, ids)


async def department_places(ids: Iterable[str]) -> dict[str, Place]:
    """Where these departments stand, by id."""
    return await _places(_DEPARTMENT_PLACES, ids)


async def wallet_places(ids: Iterable[str]) -> dict[str, Place]:
    """Where these wallets stand, by id."""
    return await _places(_WALLET_PLACES, ids)


async def _places(sql: str, ids: Iterable[str]) -> dict[str, Place]:
    return {
        row["id"]: Place(
            account_id=row["account_id"],
            account_kind=AccountKind(row["kind"]),
            pool_id=row["pool_id"],
            department_id=row["department_id"],
            closed=row["closed"],
            wallet_id=row["wallet_id"],
        )
        for row in await _read(sql, list(ids))
    }


async def departments_of(pool_ids: Iterable[str]) -> list[str]:
    """The departments of these pools."""
    return [row["id"] for row in await _read("SELECT id FROM departments WHERE pool_id = ANY($1)", list(pool_ids))]


async def wallets_of(account_id: str) -> list[str]:
    """Every wallet of the account: its own, its pools' and their departments'."""
    return [row["id"] for row in await _read("SELECT id FROM wallets WHERE account_id = $1 ORDER BY id", account_id)]


async def owners_of(account_id: str) -> list[str]:
    """The people who own the account."""
    found = await _read("SELECT user_id FROM memberships WHERE account_id = $1 AND role = 'OWNER'", account_id)
    return [row["user_id"] for row in found]


async def find_accounts(search: str, *, limit: int, before: tuple[datetime, str] | None = None) -> list[str]:
    """The newest `limit` accounts before that (time, id) with this in their name or in a member's e-mail address (any
    case), or with this id; newest first. An empty search finds all."""
    at, account_id = before or (None, None)
    return [row["id"] for row in await _read(_FOUND, search, at, account_id, limit)]


async def find_person(name: str) -> str | None:
    """The id of the person who has this id or e-mail address (case ignored)."""
    found = await _read("SELECT id FROM users WHERE id = $1 OR lower(email) = lower($1)", name)
    return found[0]["id"] if found else None


async def known_in_chat(user_ids: Iterable[str]) -> dict[str, frozenset[tuple[str, str | None]]]:
    """For the people who are linked to a user of Slack: the workspace or enterprise of each of their links, beside that
    of each of their accounts (null for one that has connected none)."""
    found = await _read(_IN_CHAT, list(user_ids))
    pairs: dict[str, set[tuple[str, str | None]]] = {}
    for row in found:
        pairs.setdefault(row["user_id"], set()).add((row["linked"], row["connected"]))
    return {user_id: frozenset(each) for user_id, each in pairs.items()}
