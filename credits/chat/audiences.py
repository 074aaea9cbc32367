"""Whom news of an account, a pool or a wallet is for."""

from credits.accounts.models import Account, Pool, PoolAdministrator
from credits.accounts.queries import owners_of, wallet_places
from credits.chat.messenger import Audience


async def of_account(account_id: str) -> Audience:
    """The account's channel, else its owners."""
    account = await Account.get(id=account_id)
    return Audience(channel=account.slack_channel or None, user_ids=await owners_of(account_id))


async def of_pool(pool: Pool) -> Audience:
    """The pool's channel, else its administrators, else the account's owners."""
    return Audience(channel=pool.slack_channel or None, user_ids=await _keepers(pool.__dict__["account_id"], pool.id))


async def of_wallet(wallet_id: str, *, channel: str | None) -> Audience:
    """The channel that was chosen for it, else its pool's, else the account's; else who looks after the wallet."""
    place = (await wallet_places([wallet_id]))[wallet_id]
    pool = await Pool.get(id=place.pool_id) if place.pool_id else None
    account = await Account.get(id=place.account_id)
    return Audience(
        channel=channel or (pool.slack_channel if pool else None) or account.slack_channel or None,
        user_ids=await _keepers(place.account_id, place.pool_id),
    )


async def _keepers(account_id: str, pool_id: str | None) -> list[str]:
    rows = await PoolAdministrator.filter(pool_id=pool_id).order_by("id") if pool_id else []
    return [str(row.__dict__["user_id"]) for row in rows] or await owners_of(account_id)
