"""The README's pictures: `scripts/screenshots` plays what they show in a demonstration of its own."""

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.screenshots.browser import Browser, NoBrowser
from tests.screenshots.stage import Posted, Stage, demonstration

INTO = Path(__file__).parents[2] / "docs" / "screenshots"
WIDTH, DIALOG_WIDTH, MAIL_WIDTH = 920, 620, 640


def use(stage: Stage, _: Browser) -> None:
    """Credits are used for two days, and some are given that lapse in a week."""
    wallets, soon = stage.demo["wallets"], datetime.now(UTC) + timedelta(days=7)
    for name in ("department", "pool"):
        stage.runs("set-balance-alert", "owner", walletId=wallets[name], threshold=20, runwayDays=7, expiryDays=7)
    gift = {"walletId": wallets["pool"], "credits": 120, "reason": "Spring promotion", "expiresAt": soon.isoformat()}
    stage.runs("grant-credits", "operator", **gift, idempotencyKey="spring")
    for rooms, name in ((18, "department"), (12, "pool"), (42, "account")):
        stage.spends(rooms, name)
    stage.days_go_by(2)


def approval(stage: Stage, browser: Browser) -> None:
    """A question in a channel, of which one of two has said yes."""
    stage.runs("set-approval-policy", "owner", **_policy(stage, 2, "#approvals"))
    stage.asks_to_buy("PROFESSIONAL", "Twelve flats in Harbour Street, photographs on Friday")
    card = stage.card("#approvals", "Approval needed")
    stage.press(card, "approve", by="approver")
    stage.until(lambda: "1 of 2" in str(stage.again(card)))
    stage.look(browser, "#approvals", reader="owner")
    browser.shoot(_card(card), INTO / "approval.png")
    stage.press(card, "approve", by="deputy")
    stage.until(lambda: stage.again(card)["edited"] and "Approve $" not in str(stage.again(card)))
    stage.until(lambda: len(stage.replies(card)) >= 2)
    stage.look(browser, "#approvals", reader="owner")
    browser.shoot(_card(card), INTO / "approved.png")


def rejection(stage: Stage, browser: Browser) -> None:
    """The form that asks for the reason."""
    stage.asks_to_buy("PROFESSIONAL", "Show flats for the fair")
    card = stage.card("#approvals", "Show flats for the fair")
    stage.press(card, "reject", by="approver")
    stage.form_of("approver")
    browser.resize(DIALOG_WIDTH)
    stage.look(browser, "#approvals", reader="approver")
    browser.type("textarea", "The fair is next year. Ask again in January, please.")
    browser.run("document.querySelector('.slack').remove()")
    browser.shoot(".dialog", INTO / "reject.png", margin=16)
    browser.resize(WIDTH)
    stage.close_form("approver")


def home(stage: Stage, browser: Browser) -> None:
    """What waits for somebody, and their balances."""
    stage.open_home("approver")
    stage.look(browser, "home", reader="approver")
    browser.shoot(".home .message", INTO / "home.png", margin=16)


def alerts(stage: Stage, browser: Browser) -> None:
    """Credits that are few, will soon be used up, or are about to lapse."""
    stage.spends(21, "sibling_department")
    for picture, title in (
        ("low-balance", "Low balance"),
        ("running-out", "Credits are running out"),
        ("lapsing", "Credits are about to lapse"),
    ):
        card = stage.card("#credits", title)
        stage.look(browser, "#credits", reader="owner")
        browser.shoot(_card(card), INTO / f"{picture}.png")


def mail(stage: Stage, browser: Browser) -> None:
    """The same question for somebody who is not in Slack."""
    stage.leaves("deputy")
    stage.runs("set-approval-policy", "owner", **_policy(stage, 1, None))
    stage.asks_to_buy("PROFESSIONAL", "Model home in Lake Road")
    found = stage.mail_to("deputy", "Model home in Lake Road")
    browser.resize(MAIL_WIDTH)
    browser.open(found)
    browser.shoot("body", INTO / "mail.png")
    browser.resize(WIDTH)


SCENES: Sequence[Callable[[Stage, Browser], None]] = (use, approval, rejection, home, alerts, mail)


def _policy(stage: Stage, required: int, channel: str | None) -> dict[str, Any]:
    users = stage.demo["users"]
    return {
        "accountId": stage.demo["accounts"]["demo"],
        "minimumCredits": 500,
        "requiredApprovals": required,
        "approverIds": [users[name] for name in ("owner", "approver", "deputy")],
        "slackChannel": channel,
        "expiresAfterHours": 72,
    }


def _card(card: Posted) -> str:
    return f"li[id='{card['ts']}']"


def main() -> None:
    INTO.mkdir(parents=True, exist_ok=True)
    with Browser(width=WIDTH) as browser, demonstration() as stage:
        for scene in SCENES:
            scene(stage, browser)
            print(f"{scene.__name__}: {scene.__doc__}", flush=True)  # noqa: T201 whoever runs it reads it


if __name__ == "__main__":
    try:
        main()
    except NoBrowser as error:
        sys.exit(str(error))
