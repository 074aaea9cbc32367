"""Telling of closed months in the chat: the account's channel, else owners, and administrators of their own pools."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from tortoise.connection import get_connection

from credits.accounts.models import Account, PoolAdministrator
from credits.chat.audiences import of_account
from credits.chat.messenger import About, Audience, Messenger
from credits.gateways.cards import Picture
from credits.ledger.models import OwnerKind
from credits.reports.links import Links
from credits.reports.messages import Part, closed_card
from credits.reports.months import named
from credits.reports.statements import statement_of

_STATEMENTS = """
SELECT s.*, w.owner_kind, coalesce(d.name, p.name, a.name) AS name, coalesce(p.id, d.pool_id) AS pool_id,
       coalesce(dp.name, p.name) AS pool
FROM statements s JOIN wallets w ON w.id = s.wallet_id JOIN accounts a ON a.id = s.account_id
LEFT JOIN pools p ON p.id = w.owner_id LEFT JOIN departments d ON d.id = w.owner_id
LEFT JOIN pools dp ON dp.id = d.pool_id
WHERE s.account_id = $1 AND s.month = $2
ORDER BY pool_id IS NOT NULL, coalesce(dp.name, p.name), d.id IS NOT NULL, name, s.wallet_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Teller:
    """Who tells, and links to pictures; None where the chat could not fetch them."""

    messenger: Messenger
    pictures: Links | None


async def tell_closed(teller: Teller, payload: Mapping[str, Any]) -> None:
    """Tell the account of a month that was closed: one card, however many wallets it has. Where it goes to no channel,
    administrators of pools get one of their pool each: what other pools have is not theirs to see."""
    account = await Account.get(id=payload["account_id"])
    month = date.fromisoformat(payload["month"])
    rows = await get_connection("default").execute_query_dict(_STATEMENTS, [account.id, month])
    audience = await of_account(account.id)
    await _tell(teller, audience, account.id, None, account.name, month, rows)
    if audience.channel:
        return
    by_pool: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["pool_id"]:
            by_pool[row["pool_id"]].append(row)
    for pool_id, of_pool in by_pool.items():
        administrators = await PoolAdministrator.filter(pool_id=pool_id)
        told = sorted({str(each.__dict__["user_id"]) for each in administrators} - set(audience.user_ids))
        await _tell(teller, Audience(user_ids=told), account.id, pool_id, of_pool[0]["pool"], month, of_pool)


async def _tell(
    teller: Teller,
    audience: Audience,
    account_id: str,
    pool_id: str | None,
    name: str,
    month: date,
    rows: Sequence[dict[str, Any]],
) -> None:
    if not audience.channel and not audience.user_ids:
        return
    url = teller.pictures and teller.pictures.chart(account_id=account_id, pool_id=pool_id, month=month)
    picture = Picture(url=url, alt=f"Credits that {name} used on each day of {named(month)}") if url else None
    parts = [Part(name=_called(row), statement=statement_of(row)) for row in rows]
    occasion = f"statement:{pool_id or account_id}:{month}"
    card = closed_card(name=name, month=month, parts=parts, picture=picture)
    await teller.messenger.tell(audience, card, About(account_id=account_id, subject=occasion, occasion=occasion))


def _called(row: Mapping[str, Any]) -> str:
    return f"{row['pool']} · {row['name']}" if row["owner_kind"] == OwnerKind.DEPARTMENT else str(row["name"])
