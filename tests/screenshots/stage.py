"""A demonstration to take pictures of, and what its people do there: asked, pressed and typed over HTTP."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

import httpx

from app.demo import email_of
from app.sandbox.slack_people import conversation, person
from tests.screenshots.browser import Browser

T = TypeVar("T")
Posted = dict[str, Any]
OPERATIONS = Path(__file__).parents[2] / "operations"
# A machine that makes pictures may be slow; nothing waits so long when all is well.
_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Stage:
    """The demonstration; `demo` is what stands in its `demo.json`."""

    http: httpx.Client
    demo: dict[str, Any]

    def runs(self, operation: str, by: str, **given: Any) -> Any:
        """Send one of the example operations as a demo person. Raises ValueError for what it refuses."""
        query = (OPERATIONS / f"{operation}.graphql").read_text(encoding="utf-8")
        headers = {"Authorization": f"Bearer {self.demo['tokens'][by]}"}
        answer = self.http.post("/graphql", json={"query": query, "variables": {"input": given}}, headers=headers)
        told = answer.json()
        if "errors" in told or any(each["userErrors"] for each in told["data"].values()):
            raise ValueError(f"{operation}: {told}")
        (found,) = told["data"].values()
        return found

    def asks_to_buy(self, package: str, reason: str) -> None:
        """Milo asks for a package for the whole account."""
        wallet = self.demo["wallets"]["account"]
        asked = {"walletId": wallet, "packageCode": package, "justification": reason, "idempotencyKey": uuid4().hex}
        self.runs("purchase-credits", "member", **asked)

    def spends(self, rooms: int, wallet: str) -> None:
        """Rooms are staged."""
        spent = {"walletId": self.demo["wallets"][wallet], "stagingType": "BASIC_ROOM", "quantity": rooms}
        self.runs("deduct-credits", "owner", **spent, idempotencyKey=uuid4().hex)

    def days_go_by(self, days: int) -> None:
        """The service's clock goes ahead by so many."""
        self.http.post("/sandbox/clock", json={"advance_s": days * 86_400}).raise_for_status()

    def card(self, where: str, says: str) -> Posted:
        """The latest message there that says so, once it is there."""
        return self.until(lambda: next((each for each in reversed(self.messages(where)) if says in str(each)), None))

    def messages(self, where: str) -> list[Posted]:
        """What was written there, oldest first."""
        found: list[Posted] = self.http.get("/sandbox/slack/messages", params={"channel": where}).json()
        return found

    def again(self, card: Posted) -> Posted:
        """The message as it is now."""
        return next(each for each in self.messages(card["channel"]) if each["ts"] == card["ts"])

    def replies(self, card: Posted) -> list[Posted]:
        """What was answered to it."""
        return [each for each in self.messages(card["channel"]) if each["thread"] == card["ts"]]

    def press(self, card: Posted, action: str, *, by: str) -> None:
        """Press its button."""
        self._post("click", ts=card["ts"], channel=card["channel"], action_id=action, user=by)

    def open_home(self, whose: str) -> None:
        """Open the app by itself, and wait for what it shows."""
        self._post("home", user=whose)
        self.until(lambda: any(view["home"] for view in self._views(whose)))

    def form_of(self, whose: str) -> None:
        """Wait until a form is open before them."""
        self.until(lambda: any(not view["home"] for view in self._views(whose)))

    def close_form(self, whose: str) -> None:
        """Close it without an answer."""
        (form,) = (view["id"] for view in self._views(whose) if not view["home"])
        self.http.post("/sandbox/slack/submit-form", data={"as": whose, "view_id": form, "close": "yes"})

    def leaves(self, who: str) -> None:
        """They are in Slack no more."""
        self._post("state", user=who, deactivated=True)

    def look(self, browser: Browser, where: str, *, reader: str) -> None:
        """Open a conversation, or the home, before somebody."""
        channel = conversation(where) or where
        browser.open(f"{self.demo['url']}/sandbox/slack/?{urlencode({'channel': channel, 'as': reader})}")

    def mail_to(self, who: str, says: str) -> str:
        """Where the mail that says so is to be seen, once it is there."""
        to = {"to": email_of(who)}

        def found() -> str | None:
            mails = self.http.get("/sandbox/mail/messages", params=to).json()
            return next((each["id"] for each in mails if says in each["text"]), None)

        return f"{self.demo['url']}/sandbox/mail/{self.until(found)}/html"

    def until(self, look: Callable[[], T | None]) -> T:
        """Look until there is something. Raises TimeoutError."""
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            if found := look():
                return found
            time.sleep(0.2)
        raise TimeoutError(f"It did not come within {_PATIENCE_S:.0f} seconds.")

    def _views(self, whose: str) -> list[dict[str, Any]]:
        found = person(whose)
        assert found is not None
        views: list[dict[str, Any]] = self.http.get("/sandbox/slack/views", params={"user": found.id}).json()
        return views

    def _post(self, what: str, **body: Any) -> None:
        answer = self.http.post(f"/sandbox/slack/{what}", json=body)
        if answer.status_code != 200:
            raise ValueError(f"{what}: {answer.text}")


@contextmanager
def demonstration() -> Iterator[Stage]:
    """A fresh one, on a port that is free and with a data folder that is gone afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, open(Path(folder, "log"), "wb") as log:
        settings = {**os.environ, "PORT": str(port), "CREDITS_DATA_DIR": folder, "SLACK_PACE_S": "0"}
        program = Path(sys.executable).with_name("credits")
        process = subprocess.Popen([program, "demo"], env=settings, stdout=log, stderr=log)  # noqa: S603 our own
        try:
            yield Stage(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False), _ready(folder))
        finally:
            process.terminate()
            process.wait(60)


def _ready(folder: str) -> dict[str, Any]:
    """What it wrote when it was ready."""
    file, end = Path(folder, "demo.json"), time.monotonic() + 3 * _PATIENCE_S
    while time.monotonic() < end:
        if file.is_file():
            demo: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            return demo
        time.sleep(0.2)
    raise TimeoutError(f"The demonstration did not start:\n{Path(folder, 'log').read_text(encoding='utf-8')}")
