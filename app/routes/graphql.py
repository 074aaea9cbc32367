"""`/graphql` over HTTP: POST of JSON, queries and mutations; the websocket for subscriptions is beside it."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from graphql import ExecutionResult, GraphQLError, OperationType
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from uuid_utils import uuid7

from app.auth import caller_of
from app.requests import body_of, check_content_type, parse_request
from credits.access.service import Access
from credits.errors import CreditsError
from schema.context import Context, Services
from schema.documents import BadRequest, Documents
from schema.errors import ErrorCode, formatted
from schema.loaders import Loaders

_STATUS = {
    ErrorCode.BODY_TOO_LARGE: 413,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.TIMEOUT: 504,
    ErrorCode.INTERNAL: 500,
}
_RESPONSE_TYPE = "application/graphql-response+json"
# What HTTP wants said with these (RFC 9110, 15.5.2 and 15.5.6).
_ASKING = {401: {"www-authenticate": "Bearer"}, 405: {"allow": "POST"}}


@dataclass(frozen=True, slots=True)
class GraphQLOverHTTP:
    """The endpoint. `timeout_s` is the longest that an operation may take."""

    documents: Documents
    services: Services
    access: Access
    max_body_bytes: int
    timeout_s: float
    explorer: bool

    async def answer(self, request: Request) -> Response:
        """Answer a request."""
        if self.explorer and request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse("/explorer")
        request_id = f"req_{uuid7().hex}"
        try:
            result = await self._result(request)
        except (GraphQLError, CreditsError) as error:
            result = ExecutionResult(None, [_as_graphql(error)])
        except Exception as error:
            result = ExecutionResult(None, [GraphQLError("", original_error=error)])
        return _response(request, result, request_id)

    async def _result(self, request: Request) -> ExecutionResult:
        if request.method != "POST":
            raise BadRequest("Send operations by POST, and subscriptions over the websocket.")
        check_content_type(request.headers.get("content-type", ""))
        wanted = parse_request(await body_of(request, self.max_body_bytes))
        caller = await caller_of(self.access, request.headers.get("authorization"))
        operation = self.documents.operation(wanted.query, wanted.operation_name)
        if isinstance(operation, list):
            return ExecutionResult(None, operation)
        if operation.type is OperationType.SUBSCRIPTION:
            raise BadRequest("Subscribe over the websocket, with the protocol graphql-transport-ws.")
        context = Context(services=self.services, caller=caller, loaders=Loaders())
        async with asyncio.timeout(self.timeout_s):
            return await self.documents.execute(operation, wanted.variables, context)


def _as_graphql(error: GraphQLError | CreditsError) -> GraphQLError:
    return error if isinstance(error, GraphQLError) else GraphQLError(str(error), original_error=error)


def _response(request: Request, result: ExecutionResult, request_id: str) -> Response:
    errors = [formatted(error, request_id) for error in result.errors or ()]
    body: dict[str, Any] = {"errors": errors} if errors else {}
    if result.data is not None or not errors:
        body["data"] = result.data
    elif any(error.path for error in result.errors or ()):
        body["data"] = None
    media_type = _RESPONSE_TYPE if _RESPONSE_TYPE in request.headers.get("accept", "") else "application/json"
    status = _status(request, errors, executed="data" in body)
    return Response(
        json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"),
        status_code=status,
        media_type=media_type,
        headers={"x-request-id": request_id, "cache-control": "no-store", **_ASKING.get(status, {})},
    )


def _status(request: Request, errors: list[dict[str, Any]], *, executed: bool) -> int:
    codes = {ErrorCode(error["extensions"]["code"]) for error in errors}
    if ErrorCode.UNAUTHENTICATED in codes:
        return 401
    if executed or not codes:
        return 200
    if request.method != "POST":
        return 405
    return _STATUS.get(min(codes), 400)
