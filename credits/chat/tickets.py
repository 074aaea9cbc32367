"""Tickets: what somebody is given to come back with, signed, good for minutes, and for one use.

One lets an account's workspace be connected, by whoever asked and in the browser in which it was begun; one lets a
user of the chat be linked with a person. What was used is in the inbox, so that it counts once for all processes.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from tortoise.backends.base.client import BaseDBAsyncClient

from credits.errors import Refusal, RefusalCode
from credits.inbox import first_time

INSTALL_VALID_FOR = timedelta(minutes=10)
LINK_VALID_FOR = timedelta(minutes=15)
_ALGORITHM = "HS256"
_INSTALL, _AT_SLACK, _LINK = "slack.install", "slack.oauth", "slack.link"
_SHARED = "The accounts of this service share one Slack workspace. There is nothing to connect."


class BadTicket(Exception):
    """A ticket that was tampered with, is for something else, has expired or was used; the message says which."""


def key_of(secret: str) -> bytes:
    """The key of tickets, made of a secret that has other uses too: who has the one does not have the other."""
    return hmac.digest(secret.encode(), b"staging-credits: tickets of the chat", hashlib.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """This person connects a workspace to that account."""

    id: str
    user_id: str
    account_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Whoever shows it is that user of the workspace `team_id`, whose people's ids are from `org`."""

    id: str
    team_id: str
    org: str
    chat_user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tickets:
    """Makes and reads them. `url` is where the service is reached, without a slash at the end; `link_page` where
    people link themselves (empty: the service's own page); `each_its_own`: accounts connect workspaces of their own."""

    url: str
    key: bytes
    link_page: str = ""
    each_its_own: bool

    def install_address(self, user_id: str, account_id: str) -> tuple[str, datetime]:
        """Where this person begins to connect a workspace to the account, and until when. Refused (WRONG_STATE): where
        accounts have none of their own."""
        if not self.each_its_own:
            raise Refusal(RefusalCode.WRONG_STATE, _SHARED)
        claims = {"sub": user_id, "account": account_id, "jti": secrets.token_urlsafe(16)}
        state = self._signed(_INSTALL, claims, INSTALL_VALID_FOR)
        return f"{self.url}/slack/install?state={state}", _now() + INSTALL_VALID_FOR

    def begun(self, state: str, nonce: str) -> str:
        """What goes to the chat and comes back: the same, in the browser that has the nonce. Raises BadTicket."""
        claims = self._read(_INSTALL, state)
        kept = {name: claims[name] for name in ("sub", "account", "jti")}
        return self._signed(_AT_SLACK, {**kept, "browser": _hashed(nonce)}, INSTALL_VALID_FOR)

    def come_back(self, state: str, nonce: str) -> Install:
        """Who connects what. Raises BadTicket, also for another browser than that in which it was begun."""
        claims = self._read(_AT_SLACK, state)
        if not hmac.compare_digest(claims["browser"], _hashed(nonce)):
            raise BadTicket("This was begun in another browser, or has ended there.")
        return Install(id=claims["jti"], user_id=claims["sub"], account_id=claims["account"])

    def link_address(self, *, team_id: str, org: str, chat_user_id: str) -> str:
        """Where this user of the chat says who they are here."""
        claims = {"sub": chat_user_id, "team": team_id, "org": org, "jti": secrets.token_urlsafe(16)}
        page = self.link_page or f"{self.url}/slack/link"
        return f"{page}{'&' if '?' in page else '?'}token={self._signed(_LINK, claims, LINK_VALID_FOR)}"

    def link(self, token: str) -> Link:
        """Who shows the ticket of a `link_address`. Raises BadTicket."""
        claims = self._read(_LINK, token)
        return Link(id=claims["jti"], team_id=claims["team"], org=claims["org"], chat_user_id=claims["sub"])

    def _signed(self, what: str, claims: dict[str, str], valid_for: timedelta) -> str:
        return jwt.encode({**claims, "aud": what, "exp": _now() + valid_for}, self.key, algorithm=_ALGORITHM)

    def _read(self, what: str, token: str) -> dict[str, Any]:
        required = ["exp", "aud", "sub", "jti"]
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self.key, algorithms=[_ALGORITHM], audience=what, options={"require": required}
            )
        except jwt.ExpiredSignatureError:
            raise BadTicket("This link has expired.") from None
        except jwt.PyJWTError:
            raise BadTicket("This link is not one of ours, or not whole.") from None
        return claims


async def use(connection: BaseDBAsyncClient, ticket: Install | Link) -> None:
    """Use it up, in the caller's database transaction. Raises BadTicket for one that was used."""
    source, what = ("slack.install", "connect") if isinstance(ticket, Install) else ("slack.link", "link")
    received = await first_time(connection, source, ticket.id, what, {})
    if received is None:
        raise BadTicket("This link was used already.")
    await received.conclude(connection, "used")


def _hashed(nonce: str) -> str:
    return hashlib.sha256(nonce.encode()).hexdigest()


def _now() -> datetime:
    # Signatures go by real time, also where the sandbox's clock was moved.
    return datetime.now(UTC)
