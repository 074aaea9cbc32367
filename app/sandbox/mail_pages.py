"""The sandbox's mailboxes as people see them: who got mail, which, and a mail as a reader of mail shows it."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import urlencode

from starlette.responses import HTMLResponse

from app.sandbox import pages
from app.sandbox.mailbox import Mailbox
from app.sandbox.models import MailMessage

_STYLE = pages.STYLE + Path(__file__).with_name("mail.css").read_text(encoding="utf-8")
_BANNER = """<strong>Sandbox.</strong> This plays everybody's mailbox. No mail goes out.
<a href="/sandbox/slack/">Slack</a> · <a href="/sandbox/">Stripe and clock</a>"""
_NONE = "No mail came here yet. It comes to those who are told something and have no chat."
_HEADS = ("Received", "To", "Subject", "Delivered")
# The mail is a page of its own, in a frame that may do nothing but open links elsewhere. Within the page that shows it
# (`srcdoc`) it would come under that page's policy, which takes no style but its own.
_FRAME = "allow-popups allow-popups-to-escape-sandbox"
HTML_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src http: https:; "
    f"base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox {_FRAME}",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


def mailboxes_page(
    *, recipient: str | None, mailboxes: Sequence[Mailbox], mails: Sequence[MailMessage]
) -> HTMLResponse:
    """The newest mails, of everybody or of one recipient."""
    body = f"""<main class="wide mailboxes">{_sidebar(mailboxes, recipient)}<section>
<h1>{escape(recipient or "All mail")}</h1>
{pages.table(_HEADS, map(_row, mails), empty=_NONE)}
</section></main>"""
    return pages.page("Mail", body, style=_STYLE, banner=_BANNER)


def mail_page(mail: MailMessage, *, mailboxes: Sequence[Mailbox]) -> HTMLResponse:
    """One mail: what it says about itself, its HTML and its plain part."""
    twice = pages.pill(_times(mail.deliveries), "wait") if mail.deliveries > 1 else ""
    html = f'<iframe src="/sandbox/mail/{mail.id}/html" sandbox="{_FRAME}" title="The mail"></iframe>'
    body = f"""<main class="wide mailboxes">{_sidebar(mailboxes, mail.recipient)}<section>
<h1>{escape(mail.subject) or "(no subject)"}</h1>
<dl><dt>From</dt><dd>{escape(mail.sender)}</dd><dt>To</dt><dd>{escape(mail.recipient)}</dd>
<dt>Received</dt><dd>{mail.at:%Y-%m-%d %H:%M:%S} UTC {twice}</dd>
<dt>Message-ID</dt><dd class="id">{escape(mail.message_id)}</dd></dl>
{html if mail.html else '<p class="soft">It has no HTML part.</p>'}
<h2>As plain text</h2><pre>{escape(mail.text)}</pre></section></main>"""
    return pages.page(mail.subject or "Mail", body, style=_STYLE, banner=_BANNER)


def _sidebar(mailboxes: Sequence[Mailbox], recipient: str | None) -> str:
    everybody = _mailbox(None, sum(each.mails for each in mailboxes), here=recipient is None)
    boxes = "".join(_mailbox(each.address, each.mails, here=each.address == recipient) for each in mailboxes)
    return f'<nav aria-label="Mailboxes"><ul>{everybody}{boxes}</ul></nav>'


def _mailbox(recipient: str | None, mails: int, *, here: bool) -> str:
    query = f"?{urlencode({'to': recipient})}" if recipient else ""
    current = ' aria-current="page"' if here else ""
    label = f'<span>{escape(recipient or "All mail")}</span><span class="soft">{mails}</span>'
    return f'<li><a href="/sandbox/mail/{query}"{current}>{label}</a></li>'


def _row(mail: MailMessage) -> str:
    tone = "plain" if mail.deliveries == 1 else "wait"
    return f"""<tr>{pages.time_cell(mail.at)}<td>{escape(mail.recipient)}</td>
<td><a href="/sandbox/mail/{mail.id}">{escape(mail.subject) or "(no subject)"}</a></td>
<td>{pages.pill(_times(mail.deliveries), tone)}</td></tr>"""


def _times(deliveries: int) -> str:
    return "once" if deliveries == 1 else f"{deliveries} times, kept once"
