"""`/approvals/…`: a request for approval as its card shows it, for those who read of it by mail or follow *View*.

Whoever has the link sees it; nothing can be decided here. No script, one style sheet within the page.
"""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from credits.approvals.links import Pages
from credits.approvals.models import ApprovalStatus
from credits.approvals.requester_messages import page_card
from credits.approvals.telling import request_now
from credits.errors import NotFound
from credits.gateways.cards import Card, Words
from credits.reports.links import BadLink

_STYLE = """
:root{color-scheme:light dark;--ground:#f4f5f7;--card:#fff;--ink:#1a1f36;--soft:#5b6478;--line:#e3e6ec;--accent:#3f51d9;
--on-accent:#fff}
@media(prefers-color-scheme:dark){:root{--ground:#12141b;--card:#1b1e28;--ink:#eceef5;--soft:#9aa3b8;--line:#2c3140;
--accent:#8c9bff;--on-accent:#10131c}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,Arial,
sans-serif}
main{max-width:600px;margin:8vh auto;padding:0 16px}
article{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:28px 32px}
h1{margin:0 0 8px;font-size:24px;line-height:1.25}
p{margin:0 0 16px;overflow-wrap:anywhere}
blockquote{margin:0 0 20px;padding:2px 0 2px 14px;border-left:4px solid var(--line);white-space:pre-line;
overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:1fr 1fr;gap:16px 24px;margin:0 0 24px}
dt{color:var(--soft);font-size:14px}
dd{margin:0;font-weight:600;overflow-wrap:anywhere}
.button{display:inline-block;margin:0 0 20px;padding:10px 20px;border-radius:8px;background:var(--accent);
color:var(--on-accent);font-weight:600;text-decoration:none}
footer{border-top:1px solid var(--line);padding-top:14px;color:var(--soft);font-size:13px;overflow-wrap:anywhere}
@media(max-width:460px){article{padding:20px}dl{gap:14px 16px}}
"""
_HEADERS = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
}
_WHERE = "Whoever may decide does so in Slack, or where purchases are approved in your account."


@dataclass(frozen=True, slots=True)
class ApprovalPage:
    """The page."""

    pages: Pages

    async def show(self, request: Request) -> Response:
        """The request as it is now."""
        try:
            about = await request_now(self.pages.read(request.path_params["token"]), self.pages)
        except (BadLink, NotFound) as error:
            return _page(Card(summary="", title="That did not work", text=str(error)), status=404)
        more = (_WHERE,) if about.approval.status is ApprovalStatus.PENDING else ()
        return _page(page_card(about), more)


def _page(card: Card, more: tuple[Words, ...] = (), *, status: int = 200) -> HTMLResponse:
    quote = f"<blockquote>{escape(card.quote)}</blockquote>" if card.quote else ""
    fields = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in card.fields)
    links = "".join(
        f'<a class="button" href="{escape(each.url)}">{escape(each.label)}</a>' for each in card.buttons if each.url
    )
    notes = "".join(f"<div>{_words(each)}</div>" for each in (*card.notes, *more))
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(card.title or "")}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{_STYLE}</style></head>
<body><main><article>
<h1>{escape(card.title or "")}</h1>
<p>{_words(card.text or "")}</p>
{quote}
{f"<dl>{fields}</dl>" if fields else ""}
{links}
{f"<footer>{notes}</footer>" if notes else ""}
</article></main></body></html>
"""
    return HTMLResponse(html, status_code=status, headers=_HEADERS)


def _words(words: Words) -> str:
    parts = (words,) if isinstance(words, str) else words
    return "".join(_time(part) if isinstance(part, datetime) else escape(part) for part in parts)


def _time(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f'<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{at:%-d %B %Y, %H:%M} UTC</time>'
