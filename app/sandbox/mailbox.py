"""Mail of the sandbox as mailboxes keep it, and the faults of its server as tests order them.

A mailbox keeps a mail once, by its Message-ID, as well-behaved ones do, and counts how often it came.
"""

import hashlib
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage

from tortoise.connection import get_connection

from app.sandbox.models import MailFault, MailMessage

ANYBODY = "*"
_ID_LENGTH = 40
_KEEP = """
INSERT INTO sandbox_mails AS mail (id, recipient, sender, subject, message_id, text, html, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp())
ON CONFLICT (id) DO UPDATE SET deliveries = mail.deliveries + 1
"""
_MAILBOXES = "SELECT recipient, count(*) AS mails FROM sandbox_mails GROUP BY recipient ORDER BY recipient"
_TAKE = """
UPDATE sandbox_mail_faults SET remaining = remaining - 1
WHERE remaining > 0 AND recipient = (
    SELECT recipient FROM sandbox_mail_faults
    WHERE recipient IN ($1, '*') AND after = $2 AND remaining > 0 ORDER BY recipient = '*' LIMIT 1
)
RETURNING code
"""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Somebody to whom mail came, and how many."""

    address: str
    mails: int


async def keep(recipient: str, content: bytes) -> None:
    """Put a mail, as it came, into the recipient's mailbox."""
    mail = message_from_bytes(content, policy=policy.default)
    address, message_id = named(recipient), _shown(mail["Message-ID"])
    # Without a Message-ID it is the same mail where all of it is the same.
    key = f"{address}\n{message_id or hashlib.sha256(content).hexdigest()}"
    row = [
        hashlib.sha256(key.encode()).hexdigest()[:_ID_LENGTH],
        address,
        _shown(mail["From"]),
        _shown(mail["Subject"]),
        message_id,
        _part(mail, "plain"),
        _part(mail, "html"),
    ]
    await get_connection("default").execute_query(_KEEP, row)


def named(address: str) -> str:
    """The address as mailboxes are called: without regard to large and small letters."""
    return address.strip().lower()


def _part(mail: EmailMessage, subtype: str) -> str:
    body = mail.get_body((subtype,))
    return _shown(body.get_content() if body else "").replace("\r\n", "\n")


def _shown(value: object) -> str:
    """As text that the database takes."""
    text = "" if value is None else str(value).encode(errors="replace").decode()
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


async def latest(recipient: str | None = None, *, limit: int) -> list[MailMessage]:
    """The newest mails first, of all mailboxes or of one."""
    found = MailMessage.filter(recipient=named(recipient)) if recipient else MailMessage.all()
    return await found.order_by("-at").limit(limit)


async def mailboxes() -> list[Mailbox]:
    """All to whom mail came."""
    rows = await get_connection("default").execute_query_dict(_MAILBOXES)
    return [Mailbox(row["recipient"], row["mails"]) for row in rows]


async def order(recipient: str, *, code: int, after: bool, times: int) -> None:
    """From now on so many mails for the recipient are answered so, instead of what was ordered before."""
    await MailFault.update_or_create({"remaining": times, "code": code, "after": after}, recipient=named(recipient))


async def fault(recipient: str, *, after: bool) -> int | None:
    """What this mail is answered, if something was ordered: before it is taken, or after."""
    rows = await get_connection("default").execute_query_dict(_TAKE, [named(recipient), after])
    return rows[0]["code"] if rows else None
