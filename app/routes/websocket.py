"""`/graphql` over a websocket: subscriptions by the protocol graphql-transport-ws.

Strawberry's handler does the protocol; this adds what it leaves open: frames of the wrong shape close with 4400
instead of dropping the socket, only subscriptions run here (a mutation would be cut when the socket closes), loaders
are made anew for each operation, and the connection ends when the caller's token does or a right that it lived on:
whatever changes keys or roles tells so (`credits/access/changes.py`), and subscriptions ask anew at once.
"""

import asyncio
import json
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import strawberry
from graphql import ExecutionResult, GraphQLError, OperationType
from starlette.requests import Request
from starlette.websockets import WebSocket
from strawberry.asgi import ASGIWebSocketAdapter, GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.types.unset import UNSET, UnsetType
from uuid_utils import uuid7

from app.auth import caller_of
from app.requests import parse_json, request_from
from credits.access.service import Access, Caller
from credits.errors import CreditsError, Forbidden, NotFound, Unauthenticated, Unavailable
from schema.context import Context, Services
from schema.documents import BadRequest, Documents
from schema.errors import formatted
from schema.loaders import Loaders

INIT_WITHIN = timedelta(seconds=5)
MAX_SUBSCRIPTIONS = 10
# IANA's registry of close codes has it beside those of RFC 6455.
TRY_AGAIN_LATER = 1013
# RFC 6455, 5.5: a control frame carries 125 bytes, two of them the code.
_MAX_REASON_BYTES = 123


class Connection:
    """One websocket: what its `connection_init` carried, and who that is."""

    def __init__(self) -> None:
        self.connection_params: dict[str, Any] = {}
        self.caller: Caller | None = None


class Adapter(ASGIWebSocketAdapter):
    """The socket; a reason that is too long for a closing frame is cut instead of dropping it."""

    async def close(self, code: int, reason: str) -> None:
        """Close, saying why."""
        await super().close(code, reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore"))


class Handler(BaseGraphQLTransportWSHandler[Connection, None]):
    """The protocol's messages of one connection."""

    view: "GraphQLOverWebSocket"
    expiry: asyncio.TimerHandle | None = None

    async def handle_message(self, message: Any) -> None:
        """Check a message's shape, then leave it to the protocol."""
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            await self.handle_invalid_message("A message is an object with a type")
            return
        if message["type"] in {"subscribe", "complete"} and not _is_id(message.get("id")):
            await self.handle_invalid_message("id is a string of 1 to 100 characters")
            return
        if message["type"] == "subscribe":
            try:
                request_from(message.get("payload"))
            except BadRequest as error:
                await self.handle_invalid_message(error.message)
                return
            if len(self.operations) >= MAX_SUBSCRIPTIONS and message["id"] not in self.operations:
                await self._refuse_one_more(message["id"])
                return
        await super().handle_message(cast("Any", message))

    async def _refuse_one_more(self, operation_id: str) -> None:
        error = BadRequest(f"A connection carries {MAX_SUBSCRIPTIONS} subscriptions. Complete one, or open another.")
        payload = [formatted(error, _new_request_id())]
        await self.send_message(cast("Any", {"id": operation_id, "type": "error", "payload": payload}))

    async def handle_connection_init(self, message: Any) -> None:
        """Let the protocol take it, and end the connection when the caller's token does."""
        try:
            await super().handle_connection_init(message)
        except Unavailable as error:
            await self.websocket.close(code=TRY_AGAIN_LATER, reason=str(error))
            return
        caller = self.context.caller
        if self.connection_acknowledged and caller and caller.expires_at and self.expiry is None:
            left = (caller.expires_at - datetime.now(UTC)).total_seconds()
            self.expiry = asyncio.get_running_loop().call_later(max(left, 0), self._expire)

    def _expire(self) -> None:
        task = asyncio.ensure_future(self.websocket.close(code=4403, reason="Token expired"))
        task.add_done_callback(self._task_done)

    async def shutdown(self) -> None:
        """Stop the timer with the connection."""
        if self.expiry:
            self.expiry.cancel()
        await super().shutdown()

    async def run_operation(self, operation: Operation[Connection, None]) -> None:
        """One subscription from its first event to its end."""
        request_id = _new_request_id()
        try:
            await self._stream(operation, request_id)
        except (GraphQLError, CreditsError, TimeoutError) as error:
            await self._end(operation, error, request_id)
        except Exception as error:
            await self._end(operation, error, request_id)
            raise

    async def _stream(self, operation: Operation[Connection, None], request_id: str) -> None:
        documents = self.view.documents
        chosen = documents.operation(operation.query, operation.operation_name)
        if isinstance(chosen, list):
            await self._errors(operation, chosen, request_id)
            return
        if chosen.type is not OperationType.SUBSCRIPTION:
            raise BadRequest("Only subscriptions run over the websocket. Send queries and mutations by POST.")
        context = Context(services=self.view.services, caller=self.context.caller, loaders=Loaders())
        try:
            # The connection may be hours old, and what the caller showed then revoked since.
            await context.renew()
        except Unauthenticated as error:
            await self.websocket.close(code=4403, reason=str(error))
            return
        events = await documents.subscribe(chosen, operation.variables or {}, context)
        if isinstance(events, ExecutionResult):
            await self._errors(operation, events.errors or [], request_id)
            return
        told = False
        async with aclosing(cast("Any", events)):
            try:
                async for event in events:
                    await self._next(operation, event, request_id)
                    told = True
            except (NotFound, Forbidden, Unauthenticated):
                if not told:
                    raise
                await self.websocket.close(code=4403, reason="You may no longer see this")
                return
        await operation.send_operation_message({"id": operation.id, "type": "complete"})

    async def _next(self, operation: Operation[Connection, None], event: ExecutionResult, request_id: str) -> None:
        payload: dict[str, Any] = {"data": event.data}
        if event.errors:
            payload["errors"] = [formatted(error, request_id) for error in event.errors]
        await operation.send_operation_message(cast("Any", {"id": operation.id, "type": "next", "payload": payload}))

    async def _errors(
        self, operation: Operation[Connection, None], errors: list[GraphQLError], request_id: str
    ) -> None:
        payload = [formatted(error, request_id) for error in errors]
        await operation.send_operation_message(cast("Any", {"id": operation.id, "type": "error", "payload": payload}))

    async def _end(self, operation: Operation[Connection, None], error: Exception, request_id: str) -> None:
        as_graphql = error if isinstance(error, GraphQLError) else GraphQLError(str(error), original_error=error)
        with suppress(Exception):  # the socket may be gone already
            await self._errors(operation, [as_graphql], request_id)


def _new_request_id() -> str:
    return f"req_{uuid7().hex}"


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 100


class GraphQLOverWebSocket(GraphQL[Connection, None]):
    """The endpoint, as an ASGI application for websockets."""

    graphql_transport_ws_handler_class = Handler
    websocket_adapter_class = Adapter

    def __init__(
        self,
        schema: strawberry.Schema,
        *,
        documents: Documents,
        services: Services,
        access: Access,
        allowed_origins: tuple[str, ...],
    ) -> None:
        super().__init__(
            schema,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            connection_init_wait_timeout=INIT_WITHIN,
            max_subscriptions_per_connection=MAX_SUBSCRIPTIONS,
            allowed_origins=allowed_origins,
        )
        self.documents = documents
        self.services = services
        self._access = access

    def decode_json(self, data: str | bytes) -> object:
        """A message, read as strictly as a request over HTTP."""
        try:
            return parse_json(data, fractions=False)
        except BadRequest as error:
            raise json.JSONDecodeError(error.message, "", 0) from error

    async def get_context(self, request: Request | WebSocket, response: Any) -> Connection:
        """A fresh connection."""
        return Connection()

    async def on_ws_connect(self, context: Connection) -> UnsetType:
        """Find out who connects. A token that is not valid closes the socket with 4403; without one, what needs none
        can be subscribed to."""
        given = {name.lower(): value for name, value in context.connection_params.items()}
        authorization = given.get("authorization")
        try:
            context.caller = await caller_of(self._access, authorization if isinstance(authorization, str) else None)
        except Unauthenticated as error:
            raise ConnectionRejectionError from error
        return cast("UnsetType", UNSET)
