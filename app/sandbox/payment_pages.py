"""What people see of payments: receipts and invoices, and rows with buttons for what payers and their banks may do."""

from collections.abc import Sequence
from html import escape

from starlette.responses import HTMLResponse

from app.sandbox import pages
from app.sandbox.models import (
    Behaviour,
    Card,
    Customer,
    Dispute,
    DisputeState,
    Payment,
    PaymentState,
    Refund,
    RefundState,
    State,
)
from app.sandbox.models import CheckoutSession as Session
from app.sandbox.objects import FAILURES, invoice_id
from credits.money import Money

_PAYMENT_HEADS = ("Created", "Purchase", "Amount", "State", "Refunds and disputes", "What happens next")
_CARD_HEADS = ("Account", "Saved card", "The bank says", "What happens next")
_TONES = {
    PaymentState.SUCCEEDED: "good",
    PaymentState.PROCESSING: "wait",
    PaymentState.FAILED: "bad",
    PaymentState.CANCELED: "plain",
}
_REFUND_TONES = {RefundState.PENDING: "wait", RefundState.SUCCEEDED: "plain", RefundState.FAILED: "bad"}
_DISPUTE_PILLS = {
    DisputeState.INQUIRY: ("inquiry", "wait"),
    DisputeState.CLOSED: ("inquiry closed", "plain"),
    DisputeState.OPEN: ("disputed", "bad"),
    DisputeState.WON: ("dispute won", "good"),
    DisputeState.LOST: ("dispute lost", "bad"),
}
_SAYS = {
    Behaviour.OK: ("accepted", "good"),
    Behaviour.DECLINED: ("declined", "bad"),
    Behaviour.NEEDS_PAYER: ("asks for the payer", "wait"),
}
_CARD_BUTTONS = (
    (Behaviour.OK.value, "Accept"),
    (Behaviour.DECLINED.value, "Decline"),
    (Behaviour.NEEDS_PAYER.value, "Ask for the payer"),
    ("new", "New card"),
)


def payments_table(payments: Sequence[Payment]) -> str:
    """The payments, with their refunds and disputes (prefetched) and a button for whatever may happen to each."""
    return pages.table(_PAYMENT_HEADS, map(_payment_row, payments), empty="Nobody has paid yet.")


def cards_table(cards: Sequence[Card]) -> str:
    """The saved cards, with their customers (prefetched), and how each behaves when nobody is there."""
    return pages.table(_CARD_HEADS, map(_card_row, cards), empty="No card was saved yet.")


def receipt_page(payment: Payment) -> HTMLResponse:
    """What a payer is sent after paying."""
    what = escape(payment.description or "Payment")
    return _paper("Receipt", payment.charge_id, f"<li><span>{what}</span>{_amount(payment)}</li>", _amount(payment))


def invoice_page(session: Session) -> HTMLResponse:
    """The invoice of a session that was completed."""
    currency = session.currency.upper()
    lines = "".join(
        f'<li><span class="name">{item["quantity"]} \N{MULTIPLICATION SIGN} {escape(item["name"])}</span>'
        f'<span class="amount">{Money(item["quantity"] * item["unit_amount"], currency).formatted}</span></li>'
        for item in session.line_items
    )
    told = "Invoice" if session.state is State.PAID else "Invoice, not paid yet"
    return _paper(told, invoice_id(session.payment_intent), lines, Money(session.total_minor, currency).formatted)


def _paper(title: str, key: str, lines: str, total: str) -> HTMLResponse:
    body = f"""<main><div class="card"><div class="head"><h1>{title}</h1></div>
<p class="total">{total}</p><ul class="lines">{lines}</ul><p class="id">{escape(key)}</p></div></main>"""
    return pages.page(title, body)


def _amount(payment: Payment) -> str:
    return _money(payment.amount_minor, payment)


def _money(amount_minor: int, payment: Payment) -> str:
    return escape(Money(amount_minor, payment.currency.upper()).formatted)


def _payment_row(payment: Payment) -> str:
    state = pages.pill(payment.state.lower(), _TONES[payment.state])
    why = f'<br><span class="soft">{escape(FAILURES[payment.failure_code])}</span>' if payment.failure_code else ""
    kind = "" if payment.session_id else "<br>" + pages.pill("saved card", "plain")
    return f"""<tr>{pages.time_cell(payment.created_at)}
<td><span class="id">{escape(payment.purchase_id or "none")}</span>{kind}</td>
<td class="amount">{_amount(payment)}</td><td>{state}{why}</td>
<td>{_refunds(payment)}{_disputes(payment)}</td><td>{_payment_form(payment)}</td></tr>"""


def _refunds(payment: Payment) -> str:
    return "".join(_refund(refund, payment) for refund in sorted(payment.refunds, key=lambda each: each.created_at))


def _refund(refund: Refund, payment: Payment) -> str:
    told = f"{_money(refund.amount_minor, payment)} refund {refund.state}"
    return f'<span class="pill {_REFUND_TONES[refund.state]}">{told}</span>'


def _disputes(payment: Payment) -> str:
    return "".join(_dispute(each, payment) for each in sorted(payment.disputes, key=lambda each: each.created_at))


def _dispute(dispute: Dispute, payment: Payment) -> str:
    word, tone = _DISPUTE_PILLS[dispute.state]
    return f'<span class="pill {tone}">{_money(dispute.amount_minor, payment)} {word}</span>'


def _payment_form(payment: Payment) -> str:
    """Only what can happen to it now."""
    if payment.state is not PaymentState.SUCCEEDED:
        return ""
    states = {dispute.state for dispute in payment.disputes}
    undecided = states & {DisputeState.INQUIRY, DisputeState.OPEN}
    left_minor = payment.amount_minor - payment.refunded_minor
    buttons = []
    if left_minor and not states & {DisputeState.OPEN, DisputeState.LOST}:
        buttons.append(("refund", "Refund"))
    if undecided:
        buttons += [("win", "Win"), ("lose", "Lose")]
    if left_minor and not undecided | states & {DisputeState.LOST}:
        buttons += [("dispute", "Dispute"), ("inquire", "Inquire")]
    elif DisputeState.INQUIRY in undecided:
        buttons.append(("dispute", "Dispute"))
    fails = [refund for refund in payment.refunds if refund.state is not RefundState.FAILED]
    shown = "".join(f'<button name="action" value="{action}">{label}</button>' for action, label in buttons)
    shown += "".join(f'<button name="fail" value="{refund.id}">Refund fails</button>' for refund in fails[-1:])
    amount = (
        f'<input name="amount_minor" inputmode="numeric" placeholder="all {left_minor}" aria-label="Amount">'
        if buttons and left_minor
        else ""
    )
    return f'<form class="inline" method="post" action="/sandbox/stripe/payments/{payment.id}">{amount}{shown}</form>'


def _card_row(card: Card) -> str:
    says, tone = _SAYS[card.behaviour]
    customer: Customer = card.customer
    buttons = "".join(
        f'<button name="action" value="{action}">{label}</button>'
        for action, label in _CARD_BUTTONS
        if action != card.behaviour.value
    )
    return f"""<tr><td><span class="id">{escape(customer.account_id or customer.id)}</span></td>
<td><span class="id">{escape(card.id[:20])}…</span></td><td>{pages.pill(says, tone)}</td>
<td><form class="inline" method="post" action="/sandbox/stripe/customers/{customer.id}">{buttons}</form></td></tr>"""
