"""Addresses of the sandbox's mail: where it is handed in, faces for tests, and the mailboxes as people see them."""

from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from app.sandbox import mail_pages, mailbox
from app.sandbox.answers import as_page, refuse, refuse_address
from app.sandbox.bodies import read_json
from app.sandbox.errors import ApiError
from app.sandbox.fields import field, whole
from app.sandbox.mail import MailSandbox
from app.sandbox.models import MailMessage
from app.sandbox.objects import JsonObject

_FAULT = ("to", "code", "next", "after")
_FAULTS_LIMIT, _ADDRESS_LIMIT = 1000, 320
_LISTED, _SHOWN = 1000, 100


def mail_routes(mail: MailSandbox) -> Mount:
    """Everything under `/sandbox/mail`: to stand before what is mounted under `/sandbox`. Whoever mounts it runs the
    server."""
    app = Starlette(
        routes=[
            Route("/", _mailboxes, methods=["GET"]),
            Route("/server", _server, methods=["GET"]),
            Route("/messages", _list, methods=["GET"]),
            Route("/faults", _order_faults, methods=["POST"]),
            Route("/{id}", _opened, methods=["GET"]),
            Route("/{id}/html", _html, methods=["GET"]),
        ],
        exception_handlers={ApiError: refuse, HTTPException: refuse_address},
    )
    app.state.mail = mail
    return Mount("/sandbox/mail", app=app)


async def _server(request: Request) -> Response:
    return JSONResponse({"port": cast(MailSandbox, request.app.state.mail).port})


async def _list(request: Request) -> Response:
    mails = await mailbox.latest(_recipient(request), limit=_LISTED)
    return JSONResponse([_listed(mail) for mail in mails])


def _listed(mail: MailMessage) -> JsonObject:
    return {
        "id": mail.id,
        "to": mail.recipient,
        "from": mail.sender,
        "subject": mail.subject,
        "message_id": mail.message_id,
        "text": mail.text,
        "html": mail.html,
        "deliveries": mail.deliveries,
        "at": mail.at.isoformat(),
    }


def _recipient(request: Request) -> str | None:
    return request.query_params.get("to", "").replace("\0", "") or None


async def _order_faults(request: Request) -> Response:
    fields = await read_json(request, allowed=_FAULT)
    to, after = field(fields, "to", str, mailbox.ANYBODY), field(fields, "after", bool, default=False)
    code = whole(fields, "code", 451, least=400, most=599)
    times = whole(fields, "next", 1, most=_FAULTS_LIMIT)
    if (to != mailbox.ANYBODY and "@" not in to) or len(to) > _ADDRESS_LIMIT or "\0" in to:
        raise ApiError(400, f"to wants an address, or {mailbox.ANYBODY} for anybody's.", param="to")
    await mailbox.order(to, code=code, after=after, times=times)
    return JSONResponse({"to": mailbox.named(to), "code": code, "next": times, "after": after})


@as_page
async def _mailboxes(request: Request) -> Response:
    recipient = _recipient(request)
    return mail_pages.mailboxes_page(
        recipient=mailbox.named(recipient) if recipient else None,
        mailboxes=await mailbox.mailboxes(),
        mails=await mailbox.latest(recipient, limit=_SHOWN),
    )


@as_page
async def _opened(request: Request) -> Response:
    return mail_pages.mail_page(await _mail(request), mailboxes=await mailbox.mailboxes())


@as_page
async def _html(request: Request) -> Response:
    mail = await _mail(request)
    return HTMLResponse(mail.html, headers=mail_pages.HTML_HEADERS)


async def _mail(request: Request) -> MailMessage:
    found = await MailMessage.get_or_none(id=request.path_params["id"].replace("\0", ""))
    if found is None:
        raise ApiError(404, "There is no such mail. It may be of an earlier start, with another database.")
    return found
