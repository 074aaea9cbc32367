"""Who takes part in a history, and how much each of them does: a few large accounts, many small ones (Zipf's law).

All of it follows from the seed and the time, so the same seed gives the same history.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import accumulate
from random import Random

from app.history.calendar import Calendar
from credits.accounts.models import AccountKind
from credits.ids import Kind, id_at

# Nobody has an address there (RFC 2606): by it a history's people are told from real ones.
DOMAIN = "history.example"
NOISE_BITS = 74
_ZONES = ("America/New_York", "America/Chicago", "America/Los_Angeles", "Europe/Berlin", "Europe/London", "UTC")
_FIRST = ("Ada", "Ben", "Carla", "Dev", "Elif", "Femi", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Liam", "Mei", "Noor")
_LAST = ("Abbott", "Baker", "Castillo", "Dietz", "Evans", "Fischer", "Garcia", "Huang", "Ivanov", "Jensen", "Kaya")
_NAMES = ("Cedar", "Harbor", "Summit", "Willow", "Granite", "Maple", "Beacon", "Orchard", "Meadow", "Prairie", "Coast")
_TRADES = ("Realty", "Homes", "Properties", "Estates", "Listings")
_POOLS = ("Residential", "Commercial", "Rentals")
_TEAMS = ("Downtown", "Suburbs", "Lakeside", "New builds", "Luxury", "Old town", "Airport")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody of an account."""

    id: str
    membership_id: str
    name: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Whose credits are spent: a department's, or the account's own where it has none. `path` are the wallets that they
    come through, the spending one last; `share` is how much of the account's work is done here."""

    id: str
    name: str
    pool_id: str | None
    path: tuple[str, ...]
    share: float
    people: tuple[Person, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPlan:
    """A pool and who administers it."""

    id: str
    name: str
    wallet_id: str
    administrator: Person


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPlan:
    """An account that does `lines` transactions from `begins`, a share of the whole time, on."""

    id: str
    name: str
    kind: AccountKind
    time_zone: str
    currency: str
    unit_price_minor: Decimal
    valid_for_days: int | None
    wallet_id: str
    owner: Person
    api_key_id: str | None
    pools: tuple[PoolPlan, ...]
    teams: tuple[Team, ...]
    lines: int
    begins: float
    created_at: datetime
    seed: str

    @property
    def people(self) -> Iterator[Person]:
        """Everybody, the owner first, each once."""
        everybody = [self.owner, *(pool.administrator for pool in self.pools)]
        everybody += [person for team in self.teams for person in team.people]
        return iter(dict.fromkeys(everybody))

    @property
    def wallets(self) -> Iterator[str]:
        """The account's wallet, those of its pools, those of its departments."""
        return iter(dict.fromkeys([self.wallet_id, *(pool.wallet_id for pool in self.pools), *self._of_teams()]))

    def _of_teams(self) -> list[str]:
        return [team.path[-1] for team in self.teams]


def accounts_of(*, lines: int, seed: int, start: datetime, end: datetime) -> Iterator[AccountPlan]:
    """The accounts that do so many transactions together, the largest first."""
    count = max(4, min(400, round(lines**0.5 / 8)))
    weights = [1 / (number + 1) for number in range(count)]
    marks = [round(lines * part / sum(weights)) for part in accumulate(weights, initial=0.0)]
    calendars = {zone: Calendar(zone, start, end) for zone in _ZONES}
    for number in range(count):
        enterprise = number % 4 == 0 or number < count // 5
        yield _account(seed, number, marks[number + 1] - marks[number], enterprise=enterprise, calendars=calendars)


def _account(seed: int, number: int, lines: int, *, enterprise: bool, calendars: dict[str, Calendar]) -> AccountPlan:
    chance = Random(f"{seed}:{number}")  # noqa: S311 a history has no secrets
    zone = _ZONES[number % len(_ZONES)]
    # The largest have been there from the beginning, others have come in since.
    begins = 0.0 if number < 3 else chance.uniform(0, 0.5)
    making = _Making(chance, calendars[zone].at(begins), f"a{number}.s{seed}.{DOMAIN}")
    name = f"{chance.choice(_NAMES)} {chance.choice(_TRADES)} {number + 1}"
    account_id, wallet_id = making.id(Kind.ACCOUNT), making.id(Kind.WALLET)
    owner = making.person()
    pools: list[PoolPlan] = []
    teams: list[Team] = []
    if enterprise:
        for pool_name in _POOLS[: chance.randint(1, len(_POOLS))]:
            pool = PoolPlan(
                id=making.id(Kind.POOL),
                name=pool_name,
                wallet_id=making.id(Kind.WALLET),
                administrator=making.person(),
            )
            pools.append(pool)
            teams += making.departments(pool, (wallet_id, pool.wallet_id), before=len(teams))
    else:
        teams.append(
            Team(id=account_id, name=name, pool_id=None, path=(wallet_id,), share=1, people=(owner, making.person()))
        )
    return AccountPlan(
        id=account_id,
        name=name,
        kind=AccountKind.ENTERPRISE if enterprise else AccountKind.INDIVIDUAL,
        time_zone=zone,
        currency="EUR" if enterprise and zone == "Europe/Berlin" else "USD",
        unit_price_minor=Decimal(chance.randint(130_000_000, 170_000_000)).scaleb(-6),
        valid_for_days=chance.choice((None, 365)) if enterprise else None,
        wallet_id=wallet_id,
        owner=owner,
        api_key_id=making.id(Kind.API_KEY) if enterprise else None,
        pools=tuple(pools),
        teams=tuple(teams),
        lines=lines,
        begins=begins,
        created_at=making.at,
        seed=f"{seed}:{number}",
    )


class _Making:
    """Makes what an account consists of, by the chance that is its own."""

    def __init__(self, chance: Random, at: datetime, domain: str) -> None:
        self._chance = chance
        self._domain = domain
        self._people = 0
        self.at = at

    def id(self, kind: Kind) -> str:
        return id_at(kind, self.at, self._chance.getrandbits(NOISE_BITS))

    def person(self) -> Person:
        first, last = self._chance.choice(_FIRST), self._chance.choice(_LAST)
        self._people += 1
        email = f"{first}.{last}.{self._people}@{self._domain}".lower()
        return Person(
            id=self.id(Kind.USER), membership_id=self.id(Kind.MEMBERSHIP), name=f"{first} {last}", email=email
        )

    def departments(self, pool: PoolPlan, path: tuple[str, ...], *, before: int) -> list[Team]:
        names = self._chance.sample(_TEAMS, self._chance.randint(2, 5))
        return [
            Team(
                id=self.id(Kind.DEPARTMENT),
                name=name,
                pool_id=pool.id,
                path=(*path, self.id(Kind.WALLET)),
                # The first department of all does most.
                share=(before + place + 1) ** -1.3,
                people=tuple(self.person() for _ in range(self._chance.randint(2, 6))),
            )
            for place, name in enumerate(names)
        ]
