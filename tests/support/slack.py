"""The sandbox's Slack as tests look at it: what was posted, and pressing what is on it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import jwt

from app.sandbox.slack_people import SLACK_IDS
from credits.chat.tickets import key_of
from tests.support.service import JWT_SECRET, Service

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
        """What only this demo person, or whoever has that id, saw, oldest first."""
        response = await self.service.http.get("/sandbox/slack/messages")
        user_id = SLACK_IDS.get(to, to)
        return [each["text"] for each in response.json() if each["user"] == user_id and each["ts"] > since]

    async def press(self, message: Posted, action: str, by: str, **more: Any) -> dict[str, Any]:
        """Press a button as a demo person; what the service answered."""
        body = {"ts": message["ts"], "channel": message["channel"], "action_id": action, "user": by, **more}
        response = await self.service.http.post("/sandbox/slack/click", json=body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def submit(self, by: str, typed: str) -> dict[str, Any]:
        """Type this into the form that is open before a demo person, and submit it; what the service answered."""
        return await self._post("submit", user=by, values={"typed": typed})

    async def command(self, by: str, text: str, **more: Any) -> dict[str, Any]:
        """Type `/credits` and the text; what the service answered."""
        return await self._post("command", user=by, text=text, **more)

    async def home(self, by: str) -> dict[str, Any]:
        """Open the app's home; what the service answered. `views` has what it shows."""
        return await self._post("home", user=by)

    async def views(self, of: str) -> list[dict[str, Any]]:
        """The forms that are open before a demo person, and their home."""
        response = await self.service.http.get("/sandbox/slack/views", params={"user": of})
        found: list[dict[str, Any]] = response.json()
        return found

    async def state(self, **wrong: Any) -> None:
        """Something is wrong from now on: a channel is `gone`, a user `deactivated`, a team not `installed`."""
        await self._post("state", **wrong)

    async def _post(self, what: str, **body: Any) -> dict[str, Any]:
        response = await self.service.http.post(f"/sandbox/slack/{what}", json=body)
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


def quotation_in(blocks: list[dict[str, Any]]) -> str:
    """What the one quotation among them says: text of a kind that has no markup."""
    ((quotation,),) = [block["elements"] for block in blocks if block["type"] == "rich_text"]
    assert quotation["type"] == "rich_text_quote"
    assert {each["type"] for each in quotation["elements"]} == {"text"}
    return "".join(each["text"] for each in quotation["elements"])


def with_markup(part: object) -> Iterator[str]:
    """Every text of it that Slack searches for markup, however deep it stands."""
    if isinstance(part, dict):
        if part.get("type") == "mrkdwn" or "blocks" in part:
            yield part["text"]
        for each in part.values():
            yield from with_markup(each)
    elif isinstance(part, list):
        for each in part:
            yield from with_markup(each)


def lapsed(ticket: str) -> str:
    """The same ticket a second after its time."""
    claims = jwt.decode(ticket, options={"verify_signature": False})
    return jwt.encode({**claims, "exp": time.time() - 1}, key_of(JWT_SECRET), algorithm="HS256")


def buttons(message: Posted) -> list[str]:
    """The actions of the buttons on a message."""
    return [
        element["action_id"]
        for block in message["blocks"] or ()
        if block["type"] == "actions"
        for element in block["elements"]
    ]


async def eventually(look: Callable[[], Awaitable[T]], holds: Callable[[T], bool], *, within_s: float = 30) -> T:
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
