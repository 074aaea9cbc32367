"""The two settings of mail, taken apart: the server that takes it (SMTP_URL), and whom it is from (MAIL_FROM)."""

from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.policy import SMTP
from urllib.parse import unquote, urlsplit

_PORTS = {"smtp": 587, "smtps": 465}
_LOCAL = {"localhost", "127.0.0.1", "::1"}
_SERVER = "SMTP_URL wants smtp://user:password@host:587 or smtps://user:password@host:465; port and user may be absent."
_SENDER = "MAIL_FROM wants one address, as in: Staging Credits <credits@example.com>"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail is handed in: `encrypted` from the first byte on, or else by STARTTLS."""

    host: str
    port: int
    encrypted: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def local(self) -> bool:
        """On this machine: what goes there may go in the clear."""
        return self.host in _LOCAL


def mail_server(url: str) -> MailServer:
    """The server of an `smtp://` or `smtps://` address. Refused (ValueError): anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(_SERVER) from error
    if parts.scheme not in _PORTS or not parts.hostname or port == 0 or parts.path.strip("/") or parts.query:
        raise ValueError(_SERVER)
    if bool(parts.username) != bool(parts.password):
        raise ValueError(f"{_SERVER} A user has a password.")
    return MailServer(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        encrypted=parts.scheme == "smtps",
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


def sender(text: str) -> Address:
    """Whom mail is from: an address, with a name or without. Refused (ValueError): none or several, and one that not
    every server takes (letters beyond ASCII in the address; a name may have them)."""
    try:
        header = SMTP.header_factory("From", text)
        (found,) = header.addresses
        valid = not header.defects and found.username and "." in found.domain and found.addr_spec.isascii()
    except (ValueError, MessageError, IndexError) as error:
        raise ValueError(_SENDER) from error
    if not valid:
        raise ValueError(_SENDER)
    return Address(found.display_name, addr_spec=found.addr_spec)
