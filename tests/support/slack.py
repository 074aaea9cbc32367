"""The sandbox's Slack as tests look at it: what was posted, and pressing what is on it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from app.sandbox.slack_people import SLACK_IDS
from tests.support.service import Service

Posted = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Slack:
    """The workspace."""

    service: Service

    async def messages(self, about: str) -> list[Posted]:
        """Every message whose dedupe key begins so, oldest first."""
        response = await self.service.http.get("/sandbox/slack/messages")
        found: list[Posted] = [each for each in response.json() if _dedupe(each).startswith(about)]
        return found

    async def whispers(self, to: str, *, since: str = "") -> list[str]:
        """What only this demo person saw, oldest first."""
        response = await self.service.http.get("/sandbox/slack/messages")
        return [each["text"] for each in response.json() if each["user"] == SLACK_IDS[to] and each["ts"] > since]

    async def press(self, message: Posted, action: str, by: str, **more: Any) -> dict[str, Any]:
        """Press a button as a demo person; what the service answered."""
        body = {"ts": message["ts"], "channel": message["channel"], "action_id": action, "user": by, **more}
        response = await self.service.http.post("/sandbox/slack/click", json=body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def fault(self, method: str, **how: Any) -> None:
        """Let the next calls of a method fail."""
        response = await self.service.http.post("/sandbox/slack/faults", json={"method": method, **how})
        assert response.status_code == 200, response.text


def _dedupe(message: Posted) -> str:
    payload = (message.get("metadata") or {}).get("event_payload") or {}
    return str(payload.get("dedupe", ""))


def buttons(message: Posted) -> list[str]:
    """The actions of the buttons on a message."""
    return [
        element["action_id"]
        for block in message["blocks"] or ()
        if block["type"] == "actions"
        for element in block["elements"]
    ]


async def eventually(look: Callable[[], Awaitable[T]], holds: Callable[[T], bool], *, within_s: float = 10) -> T:
    """What is seen once it holds; fails with what was seen last."""
    seen = await look()
    try:
        async with asyncio.timeout(within_s):
            while not holds(seen):
                await asyncio.sleep(0.02)
                seen = await look()
    except TimeoutError:
        raise AssertionError(f"It did not come to hold; last seen: {seen}") from None
    return seen
