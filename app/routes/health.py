"""`/livez`: the process runs. `/readyz`: it can do its work now, and in which mode."""

import asyncio
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from tortoise.connection import get_connection

_READY_WITHIN_S = 2.0


async def livez(_request: Request) -> Response:
    """The event loop turns."""
    return PlainTextResponse("alive")


@dataclass(frozen=True, slots=True)
class Readiness:
    """Ready is who reaches the database. `mode` is sandbox, test or live."""

    mode: str

    async def show(self, _request: Request) -> Response:
        """200 with what was checked, or 503 with what is wrong."""
        try:
            async with asyncio.timeout(_READY_WITHIN_S):
                await get_connection("default").execute_query("SELECT 1")
        except Exception as error:
            return JSONResponse({"ready": False, "database": type(error).__name__, "mode": self.mode}, status_code=503)
        return JSONResponse({"ready": True, "database": "ok", "mode": self.mode})
