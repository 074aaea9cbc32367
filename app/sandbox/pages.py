"""What people see of the sandbox: the page where a session is paid, and the list of all that happened.

Plain HTML forms, one style sheet within the page, no script: everything works under the strictest content policy.
"""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from operator import attrgetter
from pathlib import Path

from starlette.responses import HTMLResponse

from app.sandbox.clock import Reading
from app.sandbox.models import Attempt, CheckoutSession, Delivery, DeliveryState, Event, LineItem, State
from credits.money import Money

STYLE = Path(__file__).with_name("pages.css").read_text(encoding="utf-8")
_BANNER = """<strong>Sandbox.</strong> This plays Stripe. No money moves, whatever you press.
<a href="/sandbox/slack/">Slack</a> · <a href="/sandbox/mail/">Mail</a>"""
_AGE = attrgetter("id")
_DELIVERIES = {1: "once", 0: "never (lost)", 2: "2 times at once", 5: "5 times at once", 20: "20 times at once"}
_DELAYS = {0: "at once", 5: "after 5 seconds", 30: "after 30 seconds", 300: "after 5 minutes"}
_TONES = {State.PAID: "good", State.PROCESSING: "wait", State.OPEN: "plain", State.EXPIRED: "bad", State.FAILED: "bad"}
_TELLING = {
    State.PAID: "This checkout is paid.",
    State.PROCESSING: "This checkout is complete, and the money is under way, as with a bank debit.",
    State.FAILED: "This checkout was completed, but the money did not arrive.",
    State.EXPIRED: "This checkout has expired and can no longer be paid.",
}
_SESSION_HEADS = ("Created", "What", "Total", "State", "Session")
_EVENT_HEADS = ("Created", "Event", "Deliveries", "Session")
DECLINED = "declined"
_NOTICES = {DECLINED: "The card was declined. The checkout stays open: try again."}


def pay_page(session: CheckoutSession, *, notice: str | None = None) -> HTMLResponse:
    """The checkout that a payer sees; `notice` names one of the notices known here, anything else shows none."""
    told = _NOTICES.get(notice or "") if session.state is State.OPEN else None
    body = f"""<main><div class="card">
<div class="head"><span class="soft">Total</span>{pill(session.state.lower(), _TONES[session.state])}</div>
<p class="total">{_money(session.total_minor, session)}</p>
<ul class="lines">{"".join(_line(item, session) for item in session.line_items)}</ul>
{f'<p class="notice bad" role="alert">{escape(told)}</p>' if told else ""}
{_actions(session)}
</div>
<p class="foot id">{escape(session.id)}</p>
<p class="foot soft"><a href="/sandbox/">All sessions and webhooks</a></p></main>"""
    return page("Pay", body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The latest of everything; `payments` and `cards` are tables already."""

    sessions: Iterable[CheckoutSession]
    payments: str
    cards: str
    events: Iterable[Event]
    clock: Reading


def index_page(index: Index) -> HTMLResponse:
    """Sessions, payments, saved cards, events with every attempt at delivering them, and the clock."""
    clock = index.clock
    shown = escape(clock["now"][:19].replace("T", " "))
    ahead = f"{timedelta(seconds=clock['advanced_s'])} h ahead of real time" if clock["advanced_s"] else "real time"
    body = f"""<main class="wide"><h1>Sandbox</h1>
<p class="soft">The service's clock shows <strong>{shown} UTC</strong>, {ahead}.
What it tells people stands in the <a href="/sandbox/slack/">sandbox's Slack</a>, or, for those without it, in
<a href="/sandbox/mail/">their mailboxes</a>.</p>
<h2>Checkout sessions</h2>
{table(_SESSION_HEADS, map(_session_row, index.sessions), empty="No session was made yet.")}
<h2 id="payments">Payments</h2>
{index.payments}
<h2 id="cards">Saved cards</h2>
{index.cards}
<h2>Webhooks</h2>
{table(_EVENT_HEADS, map(_event_row, index.events), empty="Nothing was told yet.")}
</main>"""
    return page("Sandbox", body)


def error_page(status: int, message: str) -> HTMLResponse:
    """A refusal, as a page."""
    body = f"""<main><div class="card"><h1>That did not work</h1><p>{escape(message)}</p>
<p class="soft"><a href="/sandbox/">All of the sandbox</a></p></div></main>"""
    return page("Sandbox", body, status=status, banner="<strong>Sandbox.</strong> Nothing here is real.")


def page(
    title: str, body: str, *, status: int = 200, style: str = STYLE, banner: str = _BANNER, head: str = ""
) -> HTMLResponse:
    """A page of the sandbox; all but the title is HTML, and `style` the only style sheet that it may use."""
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · sandbox</title>
<meta name="viewport" content="width=device-width, initial-scale=1">{head}
<style>{style}</style></head>
<body><div class="banner">{banner}</div>
{body}
</body></html>
"""
    return HTMLResponse(html, status_code=status, headers=_headers(style))


def _headers(style: str) -> dict[str, str]:
    style_hash = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    # No `form-action`: browsers hold it against the redirect to the shop that follows a payment as well.
    return {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{style_hash}'; img-src 'self'; "
        "frame-src 'self'; "
        "base-uri 'none'; frame-ancestors 'none'",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }


def _line(item: LineItem, session: CheckoutSession) -> str:
    each = f"{item['quantity']} \N{MULTIPLICATION SIGN} {_money(item['unit_amount'], session)}"
    return (
        f'<li><span class="name">{escape(item["name"])}<span class="soft">{each}</span></span>'
        f'<span class="amount">{_money(item["quantity"] * item["unit_amount"], session)}</span></li>'
    )


def _actions(session: CheckoutSession) -> str:
    if session.state is State.OPEN:
        return _open_form(session)
    telling = f'<p class="notice {_TONES[session.state]}">{escape(_TELLING[session.state])}</p>'
    return telling + (_processing_form() if session.state is State.PROCESSING else _way_back(session))


def _open_form(session: CheckoutSession) -> str:
    cancel = '<button name="action" value="cancel">Cancel</button>' if session.cancel_url else ""
    return f"""<form method="post">{_delivery_choices()}
<button class="main" name="action" value="pay">Pay {_money(session.total_minor, session)}</button>
<button name="action" value="pay_later">Pay by bank debit</button>
<div class="pair"><button name="action" value="decline">Decline card</button>{cancel}</div></form>"""


def _processing_form() -> str:
    return f"""<form method="post">{_delivery_choices()}
<button class="main" name="action" value="settle">The money arrives</button>
<button name="action" value="fail">The money does not arrive</button></form>"""


def _way_back(session: CheckoutSession) -> str:
    url = session.cancel_url if session.state is State.EXPIRED else return_url(session)
    return f'<p><a href="{escape(url)}">Back to the shop</a></p>' if url else ""


def _delivery_choices() -> str:
    return f"""<fieldset><legend>Deliver the webhook</legend><div class="pair">
<label>How often {_select("deliveries", _DELIVERIES)}</label>
<label>When {_select("delay_s", _DELAYS)}</label></div></fieldset>"""


def _select(name: str, choices: dict[int, str]) -> str:
    options = "".join(f'<option value="{value}">{escape(label)}</option>' for value, label in choices.items())
    return f'<select name="{name}">{options}</select>'


def _session_row(session: CheckoutSession) -> str:
    what = ", ".join(f"{item['quantity']} \N{MULTIPLICATION SIGN} {item['name']}" for item in session.line_items)
    declined = pill(f"{session.declined_attempts} declined", "bad") if session.declined_attempts else ""
    return f"""<tr>{time_cell(session.created_at)}<td>{escape(what)}</td>
<td class="amount">{_money(session.total_minor, session)}</td>
<td>{pill(session.state.lower(), _TONES[session.state])}{declined}</td>
<td>{_link(session.id)}</td></tr>"""


def _event_row(event: Event) -> str:
    deliveries = "<br>".join(map(_delivery, sorted(event.deliveries, key=_AGE))) or pill("none planned", "plain")
    link = _link(event.session_id) if event.session_id else ""
    return f"""<tr>{time_cell(event.created_at)}
<td>{escape(event.type)}<br><span class="id">{escape(event.id)}</span></td><td>{deliveries}</td><td>{link}</td></tr>"""


def _delivery(delivery: Delivery) -> str:
    pills = "".join(
        pill(f"{_outcome(attempt)} at {attempt.at:%H:%M:%S}", _tone(attempt))
        for attempt in sorted(delivery.attempts, key=_AGE)
    )
    match delivery.state:
        case DeliveryState.PENDING:
            return pills + pill(f"next at {delivery.due_at:%H:%M:%S}", "wait")
        case DeliveryState.GIVEN_UP:
            return pills + pill("given up", "bad")
        case DeliveryState.DELIVERED:
            return pills


def _outcome(attempt: Attempt) -> str:
    return "no answer" if attempt.status is None else str(attempt.status)


def _tone(attempt: Attempt) -> str:
    return "good" if attempt.status is not None and attempt.status < 300 else "bad"


def table(heads: Iterable[str], rows: Iterable[str], *, empty: str) -> str:
    """A table of rows that are HTML already; without any, the sentence."""
    body = "".join(rows)
    if not body:
        return f'<p class="soft">{escape(empty)}</p>'
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _link(session_id: str) -> str:
    return f'<a class="id" href="/sandbox/stripe/pay/{escape(session_id)}">{escape(session_id[:20])}…</a>'


def time_cell(moment: datetime) -> str:
    """A table's cell with the instant."""
    return f'<td class="time">{moment:%Y-%m-%d %H:%M:%S}</td>'


def pill(text: str, tone: str) -> str:
    """A word on a coloured ground."""
    return f'<span class="pill {tone}">{escape(text)}</span>'


def _money(amount_minor: int, session: CheckoutSession) -> str:
    return escape(Money(amount_minor, session.currency.upper()).formatted)


def return_url(session: CheckoutSession) -> str:
    """Where the browser goes after paying: the shop's address with the session's id in it, where it asked for that."""
    return session.success_url.replace("{CHECKOUT_SESSION_ID}", session.id)
