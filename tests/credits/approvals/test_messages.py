"""The cards of an approval: what is on them at each stage, and how whoever asked goes on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from credits.actors import Actor, ActorKind
from credits.approvals.messages import Subject, card, reminder, trail
from credits.approvals.models import ApprovalStatus, DecisionVia, Verdict
from credits.approvals.queries import ApprovalView, Decision
from credits.approvals.requester_messages import page_card, requester_card
from credits.gateways.cards import Card
from credits.money import Money
from credits.purchases.models import PaymentMethod, PurchaseStatus
from credits.purchases.queries import PurchaseView

AT = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
DAY = timedelta(days=1)
PURCHASE = PurchaseView(
    id="pur_1",
    account_id="acct_1",
    wallet_id="wal_1",
    package_code="PROFESSIONAL",
    package_name="Professional",
    quantity=2,
    credits=1000,
    total=Money(179800, "USD"),
    valid_for_days=None,
    status=PurchaseStatus.PENDING_APPROVAL,
    failure_reason=None,
    requested_by=Actor(kind=ActorKind.USER, id="milo"),
    justification="Open house",
    return_url=None,
    checkout_id=None,
    checkout_url=None,
    checkout_attempt=1,
    customer_id=None,
    charged_card=None,
    charge_began_at=None,
    checkout_ids=(),
    payment_id=None,
    transaction_id=None,
    created_at=AT,
    paid_at=None,
    method=PaymentMethod.CHECKOUT,
    refunded=Money(0, "USD"),
    clawed_back=0,
    dispute=None,
    receipt_url=None,
    invoice_url=None,
)
APPROVAL = ApprovalView(
    id="apr_1",
    account_id="acct_1",
    purchase_id="pur_1",
    status=ApprovalStatus.PENDING,
    required_approvals=2,
    approver_ids=("abel", "dana", "paula"),
    slack_channel=None,
    version=1,
    created_at=AT,
    expires_at=AT + 3 * DAY,
    decided_at=None,
    reminded_at=None,
    escalated_at=None,
    escalated_to=(),
    decisions=(),
)
ABOUT = Subject(
    approval=APPROVAL,
    purchase=PURCHASE,
    requester="Milo",
    wallet="Downtown",
    owner="Department",
    balance=96,
    runway="about 12 days at 8 a day",
    names={"abel": "Abel", "dana": "Dana", "paula": "Paula"},
    deciding=("abel", "dana", "paula"),
    view="https://app.example/purchases/pur_1",
    asked_again=False,
)


def said(person: str, verdict: Verdict = Verdict.APPROVE, comment: str | None = None) -> Decision:
    return Decision(approver_id=person, verdict=verdict, comment=comment, via=DecisionVia.API, decided_at=AT)


NO = said("dana", Verdict.REJECT, "Too dear")


def at_stage(
    status: ApprovalStatus, *decisions: Decision, purchase: PurchaseStatus | None = None, **changes: object
) -> Subject:
    ended = None if status is ApprovalStatus.PENDING else AT
    approval = replace(APPROVAL, status=status, decisions=decisions, decided_at=ended)
    bought = replace(PURCHASE, **({"status": purchase or PURCHASE.status} | changes))  # type: ignore[arg-type]
    return replace(ABOUT, approval=approval, purchase=bought)


def words(shown: Card) -> str:
    """All of the card's text, with times as such."""
    assert shown.text is not None
    return shown.text if isinstance(shown.text, str) else "".join(map(str, shown.text))


def test_the_question_says_who_asks_for_what_and_how_things_stand() -> None:
    asked = card(ABOUT)

    assert (asked.title, asked.quote) == ("Approval needed", "Open house")
    assert asked.text == "Milo asks to buy 1,000 credits for Downtown."
    assert dict(asked.fields) == {
        "Department": "Downtown",
        "Package": "Professional \N{MULTIPLICATION SIGN} 2",
        "Price": "$1,798.00",
        "Balance": "96 credits",
        "Runway": "about 12 days at 8 a day",
        "Approved": "0 of 2",
    }
    assert [(each.label, each.style, each.value) for each in asked.buttons] == [
        ("Approve $1,798.00", "primary", "apr_1:1"),
        ("Reject…", "danger", "apr_1:1"),
        ("View", None, "apr_1"),
    ]
    assert asked.buttons[0].confirm == "Approve 1,000 credits for $1,798.00?"
    assert asked.notes == ("Request apr_1", "May decide: Abel, Dana, Paula", ("Until ", AT + 3 * DAY))


def test_a_reminder_is_the_question_once_more() -> None:
    asked, again = card(ABOUT), reminder(ABOUT)

    assert again == replace(asked, summary=f"Reminder: {asked.summary}", title="Approval still needed")


def test_of_one_required_nothing_is_said_of_progress_and_without_a_page_there_is_none_to_view() -> None:
    alone = replace(ABOUT, approval=replace(APPROVAL, required_approvals=1), view=None)

    assert "Approved" not in dict(card(alone).fields)
    assert [each.action for each in card(alone).buttons] == ["approve", "reject"]


def test_an_escalation_is_said_on_the_card() -> None:
    escalated = replace(APPROVAL, escalated_at=AT, escalated_to=("dana", "paula"))

    assert card(replace(ABOUT, approval=escalated)).notes[0] == "Escalated to Dana and Paula"


@pytest.mark.parametrize(
    ("deciding", "says"),
    [
        (("abel",), "2 must approve, and 1 is left who can. Cancel it, and name others in the policy."),
        ((), "2 must approve, and 0 are left who can. Cancel it, and name others in the policy."),
        (("abel", "dana"), "Request apr_1"),
    ],
)
def test_that_too_few_are_left_is_said_on_the_card(deciding: tuple[str, ...], says: str) -> None:
    assert card(replace(ABOUT, deciding=deciding)).notes[0] == says


S, P = ApprovalStatus, PurchaseStatus


@pytest.mark.parametrize(
    ("about", "says", "quote"),
    [
        (at_stage(S.APPROVED, said("abel"), said("dana")), "approved by Abel and Dana", None),
        (at_stage(S.REJECTED, said("abel"), NO), "rejected by Dana", "Too dear"),
        (at_stage(S.EXPIRED), "nobody decided in time", None),
        (at_stage(S.EXPIRED, said("abel")), "only Abel approved in time", None),
        (at_stage(S.CANCELED, said("abel")), "the purchase was canceled", None),
    ],
)
def test_what_is_decided_leaves_one_line_without_buttons(about: Subject, says: str, quote: str | None) -> None:
    shown = card(about)

    assert shown == Card(
        summary=f"Milo, 1,000 credits for Downtown at $1,798.00: {says}, 2026-11-22 15:30 UTC",
        text=(f"Milo, 1,000 credits for Downtown at $1,798.00: {says}, ", AT),
        quote=quote,
    )


@pytest.mark.parametrize(
    ("about", "says"),
    [
        (at_stage(S.PENDING, said("abel")), [("said:abel", "Abel approved (1 of 2).", None)]),
        (
            at_stage(S.REJECTED, said("abel", comment="Fine"), NO),
            [("said:abel", "Abel approved (1 of 2):", "Fine"), ("said:dana", "Rejected by Dana:", "Too dear")],
        ),
        (
            at_stage(S.EXPIRED, said("abel")),
            [("said:abel", "Abel approved (1 of 2).", None), ("ended", "Only Abel approved in time.", None)],
        ),
        (at_stage(S.CANCELED), [("ended", "The purchase was canceled.", None)]),
    ],
)
def test_the_thread_tells_what_happened(about: Subject, says: list[tuple[str, str, str | None]]) -> None:
    assert [(word, each.text, each.quote) for word, each in trail(about)] == says


URL = {"checkout_url": "https://pay.example/1"}
YES = (said("abel"), said("dana"))


@pytest.mark.parametrize(
    ("about", "how", "actions"),
    [
        (at_stage(S.APPROVED, *YES, purchase=P.AWAITING_PAYMENT), "Where to pay it comes in a moment.", ["view"]),
        (
            at_stage(S.APPROVED, *YES, purchase=P.AWAITING_PAYMENT, **URL),
            "The credits come once it is paid.",
            ["pay", "view"],
        ),
        (
            at_stage(S.APPROVED, *YES, purchase=P.AWAITING_PAYMENT, method=PaymentMethod.SAVED_CARD),
            "The saved card is charged.",
            ["view"],
        ),
        (at_stage(S.APPROVED, *YES, purchase=P.PROCESSING, **URL), "your bank is at work", ["view"]),
        (at_stage(S.APPROVED, *YES, purchase=P.PAID, **URL), "It is paid: 1,000 credits came to Downtown.", ["view"]),
        (at_stage(S.APPROVED, *YES, purchase=P.CANCELED, **URL), "It was canceled since.", ["view"]),
        (at_stage(S.APPROVED, *YES, purchase=P.EXPIRED, **URL), "Renew its checkout", ["view"]),
        (at_stage(S.APPROVED, *YES, purchase=P.FAILED, failure_reason="No luck."), "not be paid: No luck.", ["view"]),
        (at_stage(S.REJECTED, NO, purchase=P.REJECTED), "Nothing was bought.", ["view"]),
        (at_stage(S.EXPIRED, purchase=P.EXPIRED), "Nothing was bought.", ["ask_again", "view"]),
        (
            replace(at_stage(S.EXPIRED, purchase=P.PENDING_APPROVAL), asked_again=True),
            "It was asked again.",
            ["view"],
        ),
    ],
)
def test_whoever_asked_is_told_how_to_go_on(about: Subject, how: str, actions: list[str]) -> None:
    shown = requester_card(about)

    assert words(shown).startswith("Your purchase of 1,000 credits for $1,798.00: ")
    assert how in words(shown)
    assert [each.action for each in shown.buttons] == actions
    assert [each.url for each in shown.buttons if each.action == "pay"] == ["https://pay.example/1"] * (
        "pay" in actions
    )
    assert shown.quote == ("Too dear" if about.rejection else None)


@pytest.mark.parametrize(
    ("about", "title", "says", "links"),
    [
        (at_stage(S.PENDING, said("abel")), "Approval needed", "Milo asks to buy 1,000 credits for Downtown.", []),
        (at_stage(S.APPROVED, *YES, purchase=P.AWAITING_PAYMENT, **URL), "Approved", "once it is paid", ["pay"]),
        (at_stage(S.APPROVED, *YES, purchase=P.PAID), "Paid", "It is paid", []),
        (at_stage(S.REJECTED, NO, purchase=P.REJECTED), "Rejected", "rejected by Dana", []),
        (at_stage(S.EXPIRED, purchase=P.EXPIRED), "Not decided in time", "Nothing was bought.", []),
    ],
)
def test_the_page_shows_the_same_and_decides_nothing(about: Subject, title: str, says: str, links: list[str]) -> None:
    shown = page_card(about)

    assert (shown.title, shown.quote) == (title, "Open house")
    assert says in words(shown)
    assert [each.action for each in shown.buttons] == links
    assert dict(shown.fields).get("Reason") == ("Too dear" if about.rejection else None)
