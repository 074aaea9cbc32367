"""A server that answers as it is told, for what the sandbox's Slack does not do, or only when it is broken."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.app.service import free_port, served

Asked = dict[str, Any]
Answer = dict[str, Any] | Callable[[Asked], dict[str, Any]]


@dataclass(slots=True)
class Scripted:
    """What it answers to which path, and what it was asked, in order. A path that it does not know is an error."""

    url: str
    answers: dict[str, Answer]
    asked: list[tuple[str, Asked]] = field(default_factory=list)

    def of(self, path: str) -> list[Asked]:
        """What was asked there."""
        return [asked for where, asked in self.asked if where == path]

    async def respond(self, request: Request) -> Response:
        """JSON or a form is taken, JSON answered."""
        path, body = request.path_params["path"], await request.body()
        fields = json.loads(body) if body.startswith(b"{") else dict(parse_qsl(body.decode()))
        asked = {**request.query_params, **fields}
        self.asked.append((path, asked))
        answer = self.answers[path]
        return JSONResponse(answer(asked) if callable(answer) else answer)


@asynccontextmanager
async def scripted(answers: dict[str, Answer]) -> AsyncIterator[Scripted]:
    """Such a server, until the block ends."""
    listener, url = free_port()
    server = Scripted(url=f"{url}/", answers=answers)
    async with served(Starlette(routes=[Route("/{path:path}", server.respond, methods=["GET", "POST"])]), listener):
        yield server
