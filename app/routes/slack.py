"""`/slack/interactions`: pressed buttons. Verified, written down, acknowledged; the work is done after.

Slack waits three seconds and shows a warning then; a database that stalls must not make it wait, and a press that
could not be written down must not be acknowledged silently.
"""

import asyncio
import json
from dataclasses import dataclass, field

import structlog
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.requests import body_of
from credits.gateways import BadSignature, ChatGateway, GatewayRefused, GatewayUnavailable, Interaction
from credits.interactions import receive

MAX_BYTES = 512 * 1024
_WRITTEN_WITHIN_S = 0.7
_TRY_AGAIN = "That did not reach us. Please press the button again in a minute."
_log = structlog.get_logger()


@dataclass(slots=True)
class SlackInteractions:
    """The endpoint."""

    chat: ChatGateway
    _telling: set[asyncio.Task[None]] = field(default_factory=set)

    async def receive(self, request: Request) -> Response:
        """Take a press."""
        try:
            body = await body_of(request, MAX_BYTES)
        except GraphQLError:
            return PlainTextResponse("This is larger than anything Slack sends.", status_code=413)
        headers = request.headers
        try:
            interaction = self.chat.read_interaction(
                body,
                timestamp=headers.get("x-slack-request-timestamp", ""),
                signature=headers.get("x-slack-signature", ""),
            )
        except BadSignature:
            return PlainTextResponse("The signature is missing, wrong or too old.", status_code=401)
        except ValueError as error:
            return PlainTextResponse(f"This is no interaction: {error}", status_code=400)
        return await self._taken(interaction) if interaction else _challenge(body)

    async def _taken(self, interaction: Interaction) -> Response:
        try:
            async with asyncio.timeout(_WRITTEN_WITHIN_S):
                await receive(interaction)
        except Exception as error:
            _log.warning("press_not_written", key=interaction.key, error=repr(error))
            task = asyncio.create_task(self._say_so(interaction))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)
        return Response(status_code=200)

    async def _say_so(self, interaction: Interaction) -> None:
        try:
            await self.chat.whisper(interaction.message.channel, interaction.user_id, _TRY_AGAIN)
        except (GatewayRefused, GatewayUnavailable) as error:
            _log.error("press_lost", key=interaction.key, error=repr(error))


def _challenge(body: bytes) -> Response:
    """What needs no answer gets none; the check of the address is echoed."""
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    if isinstance(data, dict) and data.get("type") == "url_verification":
        return JSONResponse({"challenge": str(data.get("challenge", ""))})
    return Response(status_code=200)
