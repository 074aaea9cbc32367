"""What a person may see and do from a workspace of the chat: what they may by the API, of the accounts that the
workspace serves. What is asked in one workspace shows nothing of another's accounts.
"""

from dataclasses import dataclass

from credits.access.service import refreshed
from credits.accounts.places import names_of
from credits.accounts.queries import wallet_places, wallets_of
from credits.accounts.rules import Action, Place, Standing, may, visible
from credits.actors import Actor, ActorKind
from credits.chat.workspaces import Workspaces
from credits.errors import Forbidden, NotFound
from credits.ledger.queries import balances
from credits.ledger.wallet import BalanceView
from credits.reports.forecast import Forecast, forecasts


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenWallet:
    """A wallet as somebody sees it: `may_buy` says whether they may buy for it, `forecast` is None for who may not see
    how it is used."""

    id: str
    name: str
    place: Place
    balance: BalanceView
    forecast: Forecast | None
    may_buy: bool


async def standing_of(user_id: str) -> Standing:
    """How the person stands now, wherever they are a member."""
    return await refreshed(Standing(actor=Actor(kind=ActorKind.USER, id=user_id), user_id=user_id))


async def served_accounts(workspaces: Workspaces, standing: Standing, team_id: str) -> list[str]:
    """The person's accounts that this workspace serves."""
    return [each for each in standing.account_ids if await workspaces.serves(each, team_id)]


async def seen_wallets(workspaces: Workspaces, user_id: str, team_id: str) -> list[SeenWallet]:
    """The wallets that the person may see from there: the account's own, then pools and departments by name."""
    standing = await standing_of(user_id)
    ids = [
        each for account in await served_accounts(workspaces, standing, team_id) for each in await wallets_of(account)
    ]
    places = {
        wallet_id: place
        for wallet_id, place in (await wallet_places(ids)).items()
        if not place.closed and visible(standing, place) and may(standing, Action.SEE, place)
    }
    names, views, ahead = await names_of(places), await balances(places), await forecasts(places)
    seen = [
        SeenWallet(
            id=wallet_id,
            name=names[wallet_id],
            place=place,
            balance=views[wallet_id],
            forecast=ahead[wallet_id] if may(standing, Action.SEE_FORECAST, place) else None,
            may_buy=may(standing, Action.PURCHASE, place),
        )
        for wallet_id, place in places.items()
    ]
    return sorted(seen, key=_by_place)


def _by_place(seen: SeenWallet) -> tuple[str, bool, bool, str]:
    place = seen.place
    return place.account_id, place.pool_id is not None, place.department_id is not None, seen.name


async def place_to_buy_for(workspaces: Workspaces, user_id: str, wallet_id: str, team_id: str) -> Place:
    """Where the wallet stands, for a person who may buy for it. Raises NotFound and Forbidden."""
    place = (await wallet_places([wallet_id])).get(wallet_id)
    standing = await standing_of(user_id)
    if place is None or place.closed or not visible(standing, place):
        raise NotFound
    if not await workspaces.serves(place.account_id, team_id):
        raise NotFound
    if not may(standing, Action.PURCHASE, place):
        raise Forbidden("You may not buy for this wallet. Ask an owner of the account.")
    return place
