"""Loaders: what several fields of one operation ask for by id is read once, together.

Made anew for each operation: a websocket lives for hours, and what it read an hour ago is not what is.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from strawberry.dataloader import DataLoader

from credits.access import queries as access
from credits.access.service import refreshed
from credits.accounts import queries as accounts
from credits.accounts.models import Account, Department, Pool, User
from credits.accounts.rules import Place, Standing
from credits.actors import Actor, ActorKind
from credits.allocations.queries import RuleView, rules_by_department
from credits.approvals.queries import ApprovalView, approvals_by_id, latest_by_purchase
from credits.catalogue.rules import PackageView, StagingTypeView
from credits.catalogue.service import packages_by_code, staging_types_by_code
from credits.ids import Kind, kind_of
from credits.ledger import queries as ledger
from credits.ledger.holds import HoldState
from credits.ledger.lots import LotState
from credits.ledger.wallet import BalanceView, Line
from credits.purchases.queries import PurchaseView, purchases_by_id
from credits.reports.forecast import Forecast, forecasts

Value = TypeVar("Value")


def _loader(read: Callable[[Iterable[str]], Awaitable[Mapping[str, Value]]]) -> DataLoader[str, Value | None]:
    async def load(keys: list[str]) -> list[Value | None]:
        found = await read(keys)
        return [found.get(key) for key in keys]

    return DataLoader(load_fn=load)


async def _places(ids: Iterable[str]) -> dict[str, Place]:
    """Where accounts, pools, departments and wallets stand, whatever mix of them is asked for."""
    readers = {
        Kind.ACCOUNT: accounts.account_places,
        Kind.POOL: accounts.pool_places,
        Kind.DEPARTMENT: accounts.department_places,
        Kind.WALLET: accounts.wallet_places,
    }
    wanted = list(ids)
    found: dict[str, Place] = {}
    for kind, read in readers.items():
        if of_kind := [each for each in wanted if kind_of(each) is kind]:
            found.update(await read(of_kind))
    return found


async def _packages(_codes: Iterable[str]) -> dict[str, PackageView]:
    return await packages_by_code()


async def _staging_types(_codes: Iterable[str]) -> dict[str, StagingTypeView]:
    return await staging_types_by_code()


async def _standings(ids: Iterable[str]) -> dict[str, Standing]:
    """How people stand, for whom somebody else acts."""
    return {each: await refreshed(Standing(actor=Actor(kind=ActorKind.USER, id=each), user_id=each)) for each in ids}


async def _accounts(ids: Iterable[str]) -> dict[str, Account]:
    return {row.id: row for row in await Account.filter(id__in=list(ids))}


async def _pools(ids: Iterable[str]) -> dict[str, Pool]:
    return {row.id: row for row in await Pool.filter(id__in=list(ids))}


async def _departments(ids: Iterable[str]) -> dict[str, Department]:
    return {row.id: row for row in await Department.filter(id__in=list(ids))}


async def _users(ids: Iterable[str]) -> dict[str, User]:
    return {row.id: row for row in await User.filter(id__in=list(ids))}


@dataclass(slots=True)
class Loaders:
    """One of each; a missing row is None."""

    places: DataLoader[str, Place | None] = field(default_factory=lambda: _loader(_places))
    standings: DataLoader[str, Standing | None] = field(default_factory=lambda: _loader(_standings))
    accounts: DataLoader[str, Account | None] = field(default_factory=lambda: _loader(_accounts))
    pools: DataLoader[str, Pool | None] = field(default_factory=lambda: _loader(_pools))
    departments: DataLoader[str, Department | None] = field(default_factory=lambda: _loader(_departments))
    allocation_rules: DataLoader[str, RuleView | None] = field(default_factory=lambda: _loader(rules_by_department))
    users: DataLoader[str, User | None] = field(default_factory=lambda: _loader(_users))
    in_chat: DataLoader[str, frozenset[tuple[str, str | None]] | None] = field(
        default_factory=lambda: _loader(accounts.known_in_chat)
    )
    key_names: DataLoader[str, str | None] = field(default_factory=lambda: _loader(access.names))
    balances: DataLoader[str, BalanceView | None] = field(default_factory=lambda: _loader(ledger.balances))
    lines: DataLoader[str, Line | None] = field(default_factory=lambda: _loader(ledger.lines_by_id))
    refunded: DataLoader[str, int | None] = field(default_factory=lambda: _loader(ledger.refunded))
    forecasts: DataLoader[str, Forecast | None] = field(default_factory=lambda: _loader(forecasts))
    holds: DataLoader[str, HoldState | None] = field(default_factory=lambda: _loader(ledger.holds_by_id))
    lots: DataLoader[str, LotState | None] = field(default_factory=lambda: _loader(ledger.lots_by_id))
    purchases: DataLoader[str, PurchaseView | None] = field(default_factory=lambda: _loader(purchases_by_id))
    approvals: DataLoader[str, ApprovalView | None] = field(default_factory=lambda: _loader(approvals_by_id))
    approvals_of_purchases: DataLoader[str, ApprovalView | None] = field(
        default_factory=lambda: _loader(latest_by_purchase)
    )
    packages: DataLoader[str, PackageView | None] = field(default_factory=lambda: _loader(_packages))
    staging_types: DataLoader[str, StagingTypeView | None] = field(default_factory=lambda: _loader(_staging_types))
