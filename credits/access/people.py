"""From a valid token to a person: known by it, invited by e-mail address, or new with an account of their own."""

import re

import structlog
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from credits.access.tokens import Claims
from credits.accounts.models import NAME_LENGTH, AccountKind, Identity
from credits.accounts.service import clean_name, open_account
from credits.actors import Actor, ActorKind
from credits.errors import Refusal, Unauthenticated
from credits.faults import trying_again
from credits.ids import Kind, make_id
from credits.ledger.queries import now
from credits.text import clean

_BY_IDENTITY = """
SELECT u.id, u.email FROM identities i JOIN users u ON u.id = i.user_id WHERE i.issuer = $1 AND i.subject = $2
"""
_BY_EMAIL = "SELECT id, email FROM users WHERE lower(email) = lower($1) FOR UPDATE"
_NEW = """
INSERT INTO users (id, name, email, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (lower(email)) DO NOTHING RETURNING id
"""
# Of the first tokens of one person that come at the same moment the second finds done what the first began.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended($1 || chr(10) || $2, 0))"
_MAX_SUBJECT = _MAX_EMAIL = 320
# What an address looks like is the issuer's to say, who has written to it.
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_log = structlog.get_logger()


async def person_of(claims: Claims, *, may_sign_up: bool, operators: frozenset[str]) -> tuple[str, str]:
    """The id and e-mail address of the person of a token. Whoever shows their first one is linked to the person with
    that address, who was invited; otherwise they get an INDIVIDUAL account of their own, where people may sign up.
    Raises Unauthenticated: without a verified address, for an address that another identity of the issuer has, and for
    a stranger where nobody may sign up."""
    subject = claims.subject
    if not 0 < len(subject) <= _MAX_SUBJECT or not subject.isprintable():
        raise Unauthenticated("This token names nobody who could be known here. Sign in again.")
    found = await get_connection("default").execute_query_dict(_BY_IDENTITY, [claims.issuer, subject])
    if found:
        return found[0]["id"], found[0]["email"]
    email = _verified_email(claims)

    async def work() -> tuple[str, str]:
        async with in_transaction() as connection:
            return await _first_time(connection, claims, email, may_sign_up=may_sign_up, operators=operators)

    return await trying_again(work)


def _verified_email(claims: Claims) -> str:
    try:
        email = clean(claims.email, field="email", limit=_MAX_EMAIL) if claims.email_verified else None
    except Refusal:
        email = None
    if email is None or not _ADDRESS.fullmatch(email):
        raise Unauthenticated(
            "This token carries no e-mail address that its issuer has verified. Verify yours where you sign in, and "
            "sign in again."
        )
    return email


async def _first_time(
    connection: BaseDBAsyncClient, claims: Claims, email: str, *, may_sign_up: bool, operators: frozenset[str]
) -> tuple[str, str]:
    await connection.execute_query(_ONE_AT_A_TIME, [claims.issuer, claims.subject])
    if found := await connection.execute_query_dict(_BY_IDENTITY, [claims.issuer, claims.subject]):
        return found[0]["id"], found[0]["email"]
    known = await connection.execute_query_dict(_BY_EMAIL, [email])
    if not known:
        # The platform's staff are named by the settings and need no account of their own.
        of_the_staff = email.lower() in operators
        if not may_sign_up and not of_the_staff:
            raise Unauthenticated("Nobody here is known by this token. Ask an owner of your account to add you.")
        await _welcome(connection, claims, email, with_account=not of_the_staff)
        known = await connection.execute_query_dict(_BY_EMAIL, [email])
    user_id = known[0]["id"]
    await _link(connection, claims, user_id)
    return user_id, known[0]["email"]


async def _welcome(connection: BaseDBAsyncClient, claims: Claims, email: str, *, with_account: bool) -> None:
    at, name = await now(), _name(claims, email)
    made = await connection.execute_query_dict(_NEW, [make_id(Kind.USER), name, email, at])
    # Nobody was made where somebody invited them, or another token of theirs came, at this very moment.
    if made and with_account:
        user_id = made[0]["id"]
        await open_account(
            connection,
            Actor(kind=ActorKind.USER, id=user_id),
            account_id=make_id(Kind.ACCOUNT),
            name=name,
            kind=AccountKind.INDIVIDUAL,
            time_zone="UTC",
            owner_id=user_id,
            at=at,
        )


async def _link(connection: BaseDBAsyncClient, claims: Claims, user_id: str) -> None:
    """An issuer may give an address that somebody has left to somebody else: they are another person."""
    if await Identity.exists(user_id=user_id, issuer=claims.issuer, using_db=connection):
        raise Unauthenticated(
            "This e-mail address belongs to another sign-in of the same issuer. Sign in the way you did before, or "
            "write to support."
        )
    await Identity.create(user_id=user_id, issuer=claims.issuer, subject=claims.subject, using_db=connection)
    _log.info("identity_linked", user=user_id, issuer=claims.issuer)


def _name(claims: Claims, email: str) -> str:
    """What the token says, or what stands before the @."""
    try:
        return clean_name(claims.name or "", field="name")
    except Refusal:
        return email.partition("@")[0][:NAME_LENGTH]
