"""Links to what is downloaded: signed, good for a while, and for one thing. Whoever opens one is asked for their rights
anew.

A link to an export names the person or key who asked for it. One to a picture on a card names nobody, since a chat
fetches it as nobody; it shows sums and no more.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import jwt

from credits.actors import Actor, ActorKind
from credits.errors import BadInput
from credits.ledger.models import TransactionKind
from credits.ledger.queries import LineFilter

_ALGORITHM = "HS256"
VALID_FOR = timedelta(minutes=15)
# As long as people scroll back: a card without its picture says less.
PICTURES_VALID_FOR = timedelta(days=400)
STATEMENT_CSV, STATEMENT_PDF, TRANSACTIONS, CHART = "statement.csv", "statement.pdf", "transactions", "chart"
# Addresses much longer than this are refused by some that stand in between.
_LONGEST = 6_000


class BadLink(Exception):
    """A link that was tampered with, is for something else, or has expired; the message says what to do."""


def key_of(secret: str) -> bytes:
    """The key of links, made of a secret that has other uses too: who has the one does not have the other."""
    return hmac.digest(secret.encode(), b"staging-credits: links to exports", hashlib.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An address and until when it is good."""

    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a link to an export says: who asked for it, and what was asked for."""

    actor: Actor
    claims: Mapping[str, Any]

    @property
    def month(self) -> date:
        """The month of a statement."""
        return date.fromisoformat(self.claims["month"])

    @property
    def chosen(self) -> LineFilter:
        """The filter of an export."""
        return _filter_of(self.claims["filter"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Makes and reads them. `url` is where the service is reached, without a slash at the end."""

    url: str
    key: bytes

    def statement(self, actor: Actor, what: str, *, wallet_id: str, month: date) -> Link:
        """To a statement as CSV or PDF, for who asks."""
        return self._for(actor, what, {"wallet": wallet_id, "month": month.isoformat()})

    def transactions(self, actor: Actor, *, account_id: str, wallet_id: str | None, chosen: LineFilter) -> Link:
        """To what the filter finds in an account or one of its wallets, for who asks. Raises BadInput for a filter that
        no address has room for."""
        claims = {"account": account_id, "wallet": wallet_id, "filter": _written(chosen)}
        link = self._for(actor, TRANSACTIONS, claims)
        if len(link.url) > _LONGEST:
            raise BadInput("filter", "This filter is too long for a link. Name fewer staging types, or shorter texts.")
        return link

    def chart(self, *, account_id: str, pool_id: str | None, month: date) -> str:
        """To the picture of a month's use, of an account or one of its pools, for whoever has the link."""
        claims = {"account": account_id, "pool": pool_id, "month": month.isoformat()}
        return f"{self.url}/exports/charts/{self._signed(CHART, claims, PICTURES_VALID_FOR)}.png"

    def read(self, what: str, token: str) -> Asked:
        """What a link to an export says. Raises BadLink."""
        claims = self._read(what, token)
        return Asked(actor=Actor(kind=ActorKind(claims["kind"]), id=claims["sub"]), claims=claims)

    def read_chart(self, token: str) -> tuple[str, str | None, date]:
        """Account, pool and month of a picture. Raises BadLink."""
        claims = self._read(CHART, token)
        return claims["account"], claims["pool"], date.fromisoformat(claims["month"])

    def _for(self, actor: Actor, what: str, claims: Mapping[str, Any]) -> Link:
        token = self._signed(what, {**claims, "sub": actor.id, "kind": actor.kind.value}, VALID_FOR)
        return Link(url=f"{self.url}/exports/{what}?token={token}", expires_at=_now() + VALID_FOR)

    def _signed(self, what: str, claims: Mapping[str, Any], valid_for: timedelta) -> str:
        return jwt.encode({**claims, "aud": what, "exp": _now() + valid_for}, self.key, algorithm=_ALGORITHM)

    def _read(self, what: str, token: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self.key, algorithms=[_ALGORITHM], audience=what, options={"require": ["exp", "aud"]}
            )
        except jwt.ExpiredSignatureError:
            raise BadLink("This link has expired. Ask for a new one.") from None
        except jwt.PyJWTError:
            raise BadLink("This link is not one of ours, or not whole. Ask for a new one.") from None
        return claims


def _now() -> datetime:
    # Signatures go by real time, also where the sandbox's clock was moved.
    return datetime.now(UTC)


def _written(chosen: LineFilter) -> dict[str, Any]:
    """Only what is given, so that links stay short."""
    fields = {
        "kinds": None if chosen.kinds is None else list(chosen.kinds),
        "start": chosen.start and chosen.start.isoformat(),
        "end": chosen.end and chosen.end.isoformat(),
        "staging_types": None if chosen.staging_types is None else list(chosen.staging_types),
        "reference": chosen.reference,
        "actor_id": chosen.actor_id,
        "search": chosen.search,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _filter_of(written: Mapping[str, Any]) -> LineFilter:
    kinds, types = written.get("kinds"), written.get("staging_types")
    start, end = written.get("start"), written.get("end")
    return LineFilter(
        kinds=None if kinds is None else tuple(map(TransactionKind, kinds)),
        start=datetime.fromisoformat(start) if start else None,
        end=datetime.fromisoformat(end) if end else None,
        staging_types=None if types is None else tuple(types),
        reference=written.get("reference"),
        actor_id=written.get("actor_id"),
        search=written.get("search"),
    )
