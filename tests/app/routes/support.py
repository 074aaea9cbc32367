"""What the tests of `/graphql` share: an account of their own with its keys, raw requests, and what holds of errors."""

import asyncio
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
from tortoise.transactions import in_transaction
from websockets.asyncio.client import ClientConnection

from app.auth import token_rules
from credits.access import tokens
from credits.access.keys import add_api_key, new_secret
from credits.accounts.rules import Scope
from tests.support.service import Answer, Live, Service

JSON = "application/json"
RESPONSE_JSON = "application/graphql-response+json"
ASK = "{ packages { name } }"
# What an answer would betray: names of libraries, addresses in memory, paths, statements.
INTERNALS = re.compile(r"Traceback|asyncpg|tortoise|postgres|strawberry|/site-packages|0x[0-9a-f]{6}|sys\.|SELECT")

SPEND = """mutation ($wallet: ID!, $key: String!, $type: String! = "FURNITURE_REMOVAL", $quantity: Int! = 1,
  $reference: String, $description: String, $metadata: Metadata, $for: ID) {
  result: deductCredits(input: {walletId: $wallet, stagingType: $type, quantity: $quantity, idempotencyKey: $key,
    reference: $reference, description: $description, metadata: $metadata, onBehalfOf: $for}) {
    transaction { id change reference description metadata } replayed userErrors { code message field } } }"""
GRANT = """mutation ($wallet: ID!, $key: String!, $credits: Int! = 1, $reason: String! = "For a test",
  $priority: Int! = 50) {
  result: grantCredits(input: {walletId: $wallet, credits: $credits, reason: $reason, priority: $priority,
    idempotencyKey: $key}) { transaction { id } replayed userErrors { code message field } } }"""
BUY = """mutation ($wallet: ID!, $key: String!, $package: String! = "STARTER", $quantity: Int! = 1) {
  result: purchaseCredits(input: {walletId: $wallet, packageCode: $package, quantity: $quantity,
    idempotencyKey: $key}) { purchase { id } replayed userErrors { code message field } } }"""
OPEN_ACCOUNT = """mutation ($key: String!, $name: String! = "Made by a test") {
  result: createAccount(input: {name: $name, kind: INDIVIDUAL, ownerEmail: "made@test.example", ownerName: "Made",
    idempotencyKey: $key}) { account { id } replayed userErrors { code message field } } }"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """An account of the test's own with 100 credits, and its two API keys, which may do all that keys may."""

    service: Service
    account_id: str
    wallet_id: str
    key: str
    other_key: str

    async def state(self) -> tuple[int, int]:
        """Credits and version of the wallet: what changes with every effect."""
        query = "query ($id: ID!) { wallet(id: $id) { balance { credits version } } }"
        balance = (await self.service.gql(query, token="service", id=self.wallet_id)).data["wallet"]["balance"]
        return balance["credits"], balance["version"]

    async def call(self, mutation: str, token: str | None = None, **variables: Any) -> Answer:
        """Send a mutation about the wallet, with a fresh idempotency key unless one is given."""
        variables = {"key": uuid4().hex, "wallet": self.wallet_id, **variables}
        asked = {name: value for name, value in variables.items() if f"${name}:" in mutation}
        return await self.service.gql(mutation, token=token or self.key, **asked)


async def fresh_shop(service: Service) -> Shop:
    """A new account with 100 credits and two keys."""
    place = await service.account(credits_given=100)
    keys = [await add_key(place.account_id) for _ in range(2)]
    return Shop(
        service=service,
        account_id=place.account_id,
        wallet_id=place.wallet_id or "",
        key=keys[0],
        other_key=keys[1],
    )


async def add_key(account_id: str, scopes: frozenset[Scope] = frozenset(Scope)) -> str:
    """A new API key of the account; returns its secret."""
    secret = new_secret()
    async with in_transaction() as connection:
        await add_api_key(
            connection, account_id=account_id, name="Of a test", secret=secret, scopes=scopes, at=datetime.now(UTC)
        )
    return secret


async def post(service: Service, body: bytes, **headers: str) -> httpx.Response:
    """Send a body as the owner of the demonstration, as JSON unless told otherwise; a header's - is written _."""
    given = {"content-type": JSON, "authorization": f"Bearer {service.demo.tokens['owner']}"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await service.http.post("/graphql", content=body, headers=given)


BALANCE = "subscription ($wallet: ID!) { balanceChanged(walletId: $wallet) { walletId balance { available } causes } }"
ACCOUNT = "subscription ($account: ID!) { accountBalanceChanged(accountId: $account) { walletId causes } }"
PURCHASE = """subscription ($purchase: ID!) { purchaseUpdated(purchaseId: $purchase) {
  status checkoutUrl wallet { balance { available } } transaction { change } } }"""


async def closed(connection: ClientConnection, *, within_s: float = 5) -> tuple[int | None, str | None]:
    """Wait until the service has closed; the code and the reason."""
    await asyncio.wait_for(connection.wait_closed(), within_s)
    return connection.close_code, connection.close_reason


async def error_of(live: Live, operation_id: str) -> dict[str, Any]:
    """The one error with which a subscription ended, checked for what holds of every error."""
    message = await live.receive()
    assert (message["type"], message["id"]) == ("error", operation_id), message
    (error,) = message["payload"]
    assert error["extensions"]["requestId"].startswith("req_")
    assert not INTERNALS.search(json.dumps(error))
    found: dict[str, Any] = error
    return found


def token_for(service: Service, email: str, valid_for: timedelta = timedelta(minutes=5)) -> str:
    """A token for the person with that address."""
    return tokens.sign(token_rules(service.settings), email=email, valid_for=valid_for)


def as_body(query: str, **more: Any) -> bytes:
    """A request as clients send it."""
    return json.dumps({"query": query, **more}).encode()


def refused(response: httpx.Response, status: int, code: str) -> str:
    """Check that the whole request was refused as errors are told; returns the first message."""
    body = response.json()
    assert response.status_code == status, response.text[:500]
    assert body.keys() == {"errors"}
    assert [error["extensions"]["code"] for error in body["errors"]] == [code] * len(body["errors"])
    return told(response)


def told(response: httpx.Response) -> str:
    """Check what holds of every error; returns the first message."""
    errors = response.json()["errors"]
    assert all(error["extensions"]["requestId"] == response.headers["x-request-id"] for error in errors)
    assert all(0 < len(error["message"]) < 1_000 for error in errors)
    assert not INTERNALS.search(response.text)
    assert "Did you mean" not in response.text
    message: str = errors[0]["message"]
    return message
