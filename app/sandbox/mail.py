"""The sandbox's mail server: mail is handed in by SMTP as to any other, and ends in mailboxes on a page.

It listens on a port that happens to be free, since any that is made up of the service's own may be taken; whoever wants
to hand in mail asks the sandbox for it. A server that was killed and started again has another, and tells that one.
"""

import asyncio
import socket
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx
import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session

from app.sandbox import mailbox
from app.smtp import MailServer

_MAIL_BYTES = 1024 * 1024
_IDLE_S = 30.0
_LOOK_UP_S = 3.0
_TRY_AGAIN = "451 4.3.0 It could not be kept. Try again."
_log = structlog.get_logger()


class MailSandbox:
    """The server, while the block lasts, on the address on which the service listens."""

    def __init__(self, *, host: str) -> None:
        self._host = host
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.create_server((self._host, 0), family=family)
        self.port = listener.getsockname()[1]
        self._server = await asyncio.get_running_loop().create_server(_protocol, sock=listener)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server:
            self._server.close()


def _protocol() -> SMTP:
    return SMTP(
        _Keeper(),
        hostname="sandbox",
        data_size_limit=_MAIL_BYTES,
        enable_SMTPUTF8=True,
        timeout=_IDLE_S,
        loop=asyncio.get_running_loop(),
    )


class _Keeper:
    """What aiosmtpd asks at each step: https://aiosmtpd.readthedocs.io/en/latest/handlers.html"""

    async def handle_RCPT(  # noqa: N802 its name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        code = await mailbox.fault(address, after=False)
        if code:
            return _ordered(code)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 likewise
        content = envelope.original_content or b""
        codes = []
        for address in envelope.rcpt_tos:
            await mailbox.keep(address, content)
            codes.append(await mailbox.fault(address, after=True))
        return next((_ordered(code) for code in codes if code), "250 OK")

    async def handle_exception(self, error: Exception) -> str:
        """The database is out of reach, say: for now, and not for good."""
        _log.warning("sandbox_mail_not_kept", reason=str(error))
        return _TRY_AGAIN


def _ordered(code: int) -> str:
    return f"{code} {code // 100}.0.0 A fault that was ordered."


async def server_of(local_url: str) -> MailServer:
    """Where the sandbox that is reached there takes mail. Raises ConnectionError while it cannot be asked."""
    try:
        async with httpx.AsyncClient(timeout=_LOOK_UP_S, trust_env=False) as http:
            answer = await http.get(f"{local_url}/sandbox/mail/server")
            port: int = answer.raise_for_status().json()["port"]
    except httpx.HTTPError as error:
        raise ConnectionError(f"The sandbox cannot be asked where it takes mail: {error!r}") from error
    return MailServer(host=urlsplit(local_url).hostname or "localhost", port=port)
