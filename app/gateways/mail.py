"""Mail by SMTP, with plain and HTML parts: the only file that imports aiosmtplib.

A refusal of the recipient or of the mail itself is final. Whatever else goes wrong, the server's refusal of our name
and password included, is for somebody to mend, and the mail waits meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import aiosmtplib

from app.gateways.mail_html import html_of
from app.gateways.mail_text import one_line, text_of
from app.smtp import MailServer
from credits.gateways.errors import GatewayRefused, GatewayUnavailable
from credits.gateways.mail import Mail

WITHIN_S = 10.0
_QUIT_WITHIN_S = 1.0
_SUBJECT, _NAME = 150, 80
# Every line as any server takes it: ASCII, and short.
_POLICY = SMTP.clone(cte_type="7bit", raise_on_defect=False)


class SmtpMail:
    """A `MailGateway` over the server that `server` names; mail is from `sender`. Ten seconds for all of a mail."""

    def __init__(
        self, server: Callable[[], Awaitable[MailServer]], *, sender: Address, within_s: float = WITHIN_S
    ) -> None:
        self._server = server
        self._sender = sender
        self._within_s = within_s

    async def send(self, mail: Mail) -> None:
        """Hand it to the mail server. Raises GatewayUnavailable and GatewayRefused."""
        message = message_of(mail, sender=self._sender, at=datetime.now(UTC))
        try:
            async with asyncio.timeout(self._within_s):
                await self._hand_over(message)
        except TimeoutError as error:
            raise GatewayUnavailable(f"The mail server took longer than {self._within_s:g} s.") from error
        except (aiosmtplib.SMTPRecipientsRefused, aiosmtplib.SMTPDataError) as error:
            raise _refusal(error) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise GatewayUnavailable(f"The mail server does not take mail now: {error}") from error

    async def _hand_over(self, message: EmailMessage) -> None:
        server = await self._server()
        client = _client(server, self._sender.domain, self._within_s)
        try:
            await client.connect()
            # Named here and not read from the headers: whatever stands in a header, nobody else gets the mail.
            (recipient,) = message["To"].addresses
            await client.send_message(message, sender=self._sender.addr_spec, recipients=[recipient.addr_spec])
            # The mail is the server's now, whatever comes of saying goodbye.
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=_QUIT_WITHIN_S)
        finally:
            client.close()


def _client(server: MailServer, domain: str, timeout_s: float) -> aiosmtplib.SMTP:
    """Encrypted, and to the server whose name it is; on this machine STARTTLS is not asked for a name, nor missed."""
    return aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        username=server.user,
        password=server.password,
        local_hostname=domain,
        timeout=timeout_s,
        use_tls=server.encrypted,
        start_tls=False if server.encrypted else None if server.local else True,
        validate_certs=not server.local,
    )


def _refusal(error: aiosmtplib.SMTPRecipientsRefused | aiosmtplib.SMTPDataError) -> Exception:
    """For good where the server says so (5xx), else for now."""
    refused = error.recipients[0] if isinstance(error, aiosmtplib.SMTPRecipientsRefused) else error
    told = f"The mail server says {refused.code}: {one_line(refused.message)}"
    return GatewayRefused(told) if refused.code >= 500 else GatewayUnavailable(told)


def message_of(mail: Mail, *, sender: Address, at: datetime) -> EmailMessage:
    """The mail as it goes out. Raises GatewayRefused for an address that is none."""
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender
    message["To"] = _recipient(mail)
    message["Subject"] = _header(mail.card.summary, _SUBJECT)
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    # So that nobody's notice of absence answers: https://www.rfc-editor.org/rfc/rfc3834
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text_of(mail.card), cte="quoted-printable")
    html = html_of(mail.card, sender=sender.display_name or sender.domain)
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    message["Content-Language"] = "en"
    return message


def _recipient(mail: Mail) -> Address:
    name, _, domain = mail.to.rpartition("@")
    try:
        # A domain of other letters has a spelling that every server takes.
        ascii_domain = domain.encode("idna").decode()
        return Address(_header(mail.name, _NAME), addr_spec=f"{name}@{ascii_domain}")
    except (ValueError, MessageError, IndexError) as error:
        raise GatewayRefused(f"{mail.to!r} is no address that mail can be sent to.") from error


def _header(text: str, limit: int) -> str:
    """Text for a header: one line, and nothing that would be decoded there into something else."""
    line = one_line(text).replace("=?", "= ?")
    return line if len(line) <= limit else line[: limit - 1] + "…"
