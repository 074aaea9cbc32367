"""`/slack/interactions`, `/slack/commands` and `/slack/events`: what people do in Slack. Verified, written down,
acknowledged; the work is done after.

Slack waits three seconds and shows a warning then; a database that stalls must not make it wait, and what could not be
written down must not be acknowledged silently.
https://docs.slack.dev/interactivity/handling-user-interaction#acknowledgment_response
"""

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.gateways.slack_blocks import TYPED
from app.gateways.slack_inbound import is_certificate_check
from app.requests import body_of
from credits.chat.messenger import Messenger
from credits.gateways.cards import Card, Form
from credits.gateways.chat import Interaction, InteractionKind
from credits.gateways.errors import BadSignature, GatewayRefused, GatewayUnavailable
from credits.interactions import form_for, receive

MAX_BYTES = 512 * 1024
WRITTEN_WITHIN_S = 0.7
_TRY_AGAIN = "That did not reach us. Please try again in a minute."
_log = structlog.get_logger()
T = TypeVar("T")


@dataclass(slots=True)
class SlackInteractions:
    """The endpoint."""

    messenger: Messenger
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    async def receive(self, request: Request) -> Response:
        """Take what somebody did."""
        try:
            body = await body_of(request, MAX_BYTES)
        except GraphQLError:
            return PlainTextResponse("This is larger than anything Slack sends.", status_code=413)
        if is_certificate_check(body):
            return Response(status_code=200)
        headers = request.headers
        try:
            interaction = self.messenger.chat.read_interaction(
                body,
                timestamp=headers.get("x-slack-request-timestamp", ""),
                signature=headers.get("x-slack-signature", ""),
            )
        except BadSignature:
            return PlainTextResponse("The signature is missing, wrong or too old.", status_code=401)
        except ValueError as error:
            return PlainTextResponse(f"This is no interaction: {error}", status_code=400)
        if interaction is None:
            return _challenge(body)
        form = form_for(interaction)
        if form is not None:
            self._begin(self._ask(interaction, form))
            return Response(status_code=200)
        return await self._taken(interaction)

    async def _taken(self, interaction: Interaction) -> Response:
        try:
            await self._soon(receive(interaction))
        except Exception as error:
            _log.warning("not_written", key=interaction.key, error=repr(error))
            return self._not_taken(interaction)
        return Response(status_code=200)

    def _not_taken(self, interaction: Interaction) -> Response:
        """Slack tells events again by itself; people are asked to do it again."""
        if interaction.kind in {InteractionKind.HOME, InteractionKind.REMOVED}:
            return PlainTextResponse(_TRY_AGAIN, status_code=503)
        if interaction.kind is InteractionKind.SUBMITTED:
            return JSONResponse({"response_action": "errors", "errors": {TYPED: _TRY_AGAIN}})
        if interaction.kind is InteractionKind.COMMAND:
            return JSONResponse({"response_type": "ephemeral", "text": _TRY_AGAIN})
        self._begin(self._say_so(interaction))
        return Response(status_code=200)

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Do it beside whatever else is done."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.warning("ended", error=repr(task.exception()))

    async def _soon(self, work: Coroutine[Any, Any, T]) -> T:
        """What comes of it. Raises TimeoutError for what takes too long, and does not wait for its end: a statement
        that is given up rolls back first, and that stalls as well."""
        task = self._begin(work)
        done, _ = await asyncio.wait({task}, timeout=WRITTEN_WITHIN_S)
        if not done:
            task.cancel()
            raise TimeoutError
        return task.result()

    async def _ask(self, interaction: Interaction, form: Form) -> None:
        try:
            workspace = await self._soon(self.messenger.workspaces.of_team(interaction.team_id))
            if workspace is not None and interaction.trigger is not None:
                await self.messenger.chat.at(workspace).ask(interaction.trigger, form)
                return
        except Exception as error:
            _log.warning("not_asked", key=interaction.key, error=repr(error))
        await self._say_so(interaction)

    async def _say_so(self, interaction: Interaction) -> None:
        try:
            if interaction.reply_to is not None:
                await self.messenger.chat.answer(interaction.reply_to, Card(summary=_TRY_AGAIN))
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
