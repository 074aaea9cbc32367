"""How refusals of the sandbox are answered: in the shape of its API, or on a page."""

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.sandbox import pages
from app.sandbox.errors import ApiError

Endpoint = Callable[[Request], Awaitable[Response]]


async def refuse(request: Request, error: Exception) -> Response:
    """Answer a refusal in the shape of the API."""
    assert isinstance(error, ApiError)  # noqa: S101 Starlette gives this handler no other
    return JSONResponse(error.body, status_code=error.status)


async def refuse_address(request: Request, error: Exception) -> Response:
    """Answer an address that is none, likewise."""
    assert isinstance(error, HTTPException)  # noqa: S101 likewise
    refusal = ApiError(error.status_code, f"Unrecognized request URL ({request.method}: {request.url.path}).")
    return JSONResponse(refusal.body, status_code=refusal.status, headers=error.headers)


def as_page(endpoint: Endpoint) -> Endpoint:
    """The endpoint, with its refusals as pages."""

    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ApiError as error:
            return pages.error_page(error.status, error.message)

    return answered
