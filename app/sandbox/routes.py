"""The sandbox's addresses: Stripe's API, faces for tests and for people, and the clock.

Refusals are `ApiError`s, answered in Stripe's shape everywhere but on the pages.
"""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from app.sandbox import clock
from app.sandbox.answers import refuse, refuse_address
from app.sandbox.bodies import read_json
from app.sandbox.errors import ApiError
from app.sandbox.stripe import Sandbox
from app.sandbox.stripe_api import api_routes, sandbox_of
from app.sandbox.stripe_faces import face_routes
from app.sandbox.stripe_pages import page_routes


def sandbox_routes(sandbox: Sandbox) -> Mount:
    """Everything under `/sandbox`. The sandbox is to be started and closed by whoever mounts this."""
    app = Starlette(
        routes=[
            Route("/clock", _read_clock, methods=["GET"]),
            Route("/clock", _advance_clock, methods=["POST"]),
            Route("/slack", RedirectResponse("/sandbox/slack/")),
            Route("/mail", RedirectResponse("/sandbox/mail/")),
            *page_routes(),
            *face_routes("/stripe"),
            *api_routes("/stripe"),
        ],
        exception_handlers={ApiError: refuse, HTTPException: refuse_address},
    )
    app.state.sandbox = sandbox
    return Mount("/sandbox", app=app)


async def _read_clock(request: Request) -> Response:
    return JSONResponse(await clock.reading())


async def _advance_clock(request: Request) -> Response:
    fields = await read_json(request, allowed=("advance_s",))
    reading = await clock.advance(fields.get("advance_s"))
    await sandbox_of(request).lapse_due()
    return JSONResponse(reading)
