"""Mail through aiosmtplib to the sandbox's server, and to servers that answer otherwise or not at all."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from tempfile import NamedTemporaryFile
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from app.gateways.mail import SmtpMail, message_of
from app.gateways.mail_html import html_of
from app.gateways.mail_text import text_of
from app.sandbox.mail import server_of
from app.smtp import MailServer
from credits.gateways.cards import Button, Card, Picture
from credits.gateways.errors import GatewayRefused, GatewayUnavailable
from credits.gateways.mail import Mail
from tests.app.service import MAIL_FROM, Service

AT = datetime(2026, 11, 28, 16, 57, tzinfo=UTC)
TO = "abel@demo.example"
CARD = Card(
    summary="Mia asks for 500 credits ($899.00)",
    title="500 credits for $899.00?",
    text=("Mia asks for credits. It can wait until ", AT, "."),
    quote="Forty rooms.\nAnd two villas.",
    fields=(("Wallet", "Hearth & Home"), ("Price", "$899.00")),
    picture=Picture(url="https://credits.example/chart.png?a=1&b=2", alt="Credits by day"),
    buttons=(
        Button(action="approve", label="Approve", value="apr_01:1", style="primary"),
        Button(action="view", label="View", value="apr_01", url="https://credits.example/requests/1?a=1&b=2"),
    ),
    notes=("Request apr_01.", ("Expires on ", AT, ".")),
)


def mail_of(card: Card = CARD, *, to: str = TO, name: str = "Abel Approver", mail_id: str = "cm_01") -> Mail:
    return Mail(to=to, name=name, card=card, id=mail_id)


async def mailbox(service: Service, to: str = TO) -> list[dict[str, Any]]:
    mails: list[dict[str, Any]] = (await service.http.get("/sandbox/mail/messages", params={"to": to})).json()
    return mails


async def fault(service: Service, **fields: object) -> None:
    assert (await service.http.post("/sandbox/mail/faults", json=fields)).status_code == 200


def as_sent(mail: Mail) -> EmailMessage:
    """The mail as a reader of mail takes it apart."""
    return message_from_bytes(message_of(mail, sender=MAIL_FROM, at=AT).as_bytes(), policy=policy.default)


async def test_a_card_comes_as_plain_text_and_html(service: Service) -> None:
    await service.mail.send(mail_of())

    (mail,) = await mailbox(service)
    assert (mail["from"], mail["to"]) == ("Staging Credits <credits@shop.example>", TO)
    assert (mail["subject"], mail["message_id"]) == (CARD.summary, "<cm_01@shop.example>")
    assert mail["text"].splitlines() == [
        "500 credits for $899.00?",
        "========================",
        "",
        "Mia asks for credits. It can wait until 28 November 2026, 16:57 UTC.",
        "",
        "> Forty rooms.",
        "> And two villas.",
        "",
        "Wallet: Hearth & Home",
        "Price: $899.00",
        "",
        "Credits by day",
        "https://credits.example/chart.png?a=1&b=2",
        "",
        "View:",
        "https://credits.example/requests/1?a=1&b=2",
        "",
        "-- ",
        "Request apr_01.",
        "Expires on 28 November 2026, 16:57 UTC.",
    ]
    assert 'href="https://credits.example/requests/1?a=1&amp;b=2"' in mail["html"]
    assert 'src="https://credits.example/chart.png?a=1&amp;b=2" alt="Credits by day"' in mail["html"]
    assert "Forty rooms.<br>And two villas." in mail["html"]
    assert ">Approve<" not in mail["html"]  # a mail cannot tell who presses


def test_the_headers_are_those_of_a_notice_that_nothing_answers() -> None:
    sent = as_sent(mail_of())

    assert sent["To"] == "Abel Approver <abel@demo.example>"
    assert sent["Date"].datetime == AT
    assert (sent["Auto-Submitted"], sent["Content-Language"]) == ("auto-generated", "en")
    assert sent.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in sent.iter_parts()] == ["text/plain", "text/html"]


def test_nothing_that_people_write_is_markup() -> None:
    nasty = '"><script>alert(1)</script>\x00<img src=x>'
    card = Card(
        summary=nasty,
        title=nasty,
        text=(nasty, AT),
        quote=nasty,
        fields=((nasty, nasty),),
        picture=Picture(url='https://x.example/"><script>', alt=nasty),
        buttons=(
            Button(action="a", label=nasty, value="", url='https://x.example/"><script>'),
            Button(action="b", label="Run", value="", url="javascript:alert(1)"),
            Button(action="c", label="Two", value="", url="https://x.example/\r\nhttps://y.example/"),
        ),
        notes=(nasty,),
    )

    html = html_of(card, sender=nasty)

    assert "<script" not in html
    assert html.count("<img") == 1  # the card's own picture
    assert html.count("<a ") == 1
    assert "javascript:" not in html + text_of(card)
    assert "y.example" not in html + text_of(card)
    assert "\x00" not in html + text_of(card)


_HEADER = st.text(max_size=200) | st.text(alphabet='ab,@<>"\\():;=?_-é😀\r\n\u2028 .[]0AD', max_size=200)


@settings(max_examples=50)
@given(name=_HEADER, summary=_HEADER)
def test_neither_a_name_nor_a_summary_makes_a_header_or_another_recipient(name: str, summary: str) -> None:
    raw = message_of(mail_of(Card(summary=summary), name=name), sender=MAIL_FROM, at=AT).as_bytes()

    sent = message_from_bytes(raw, policy=policy.default)
    assert [address.addr_spec for address in sent["To"].addresses] == [TO]
    assert len(sent.keys()) == len({key.lower() for key in sent}) == 9
    assert max(map(len, raw.splitlines())) < 998


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Jo\r\nBcc: eve@evil.example", "Jo Bcc: eve@evil.example"),
        ("=?utf-8?q?Jo=0D=0ABcc:_eve@evil.example?=", "= ?utf-8?q?Jo=0D=0ABcc:_eve@evil.example?="),
        ('Müller, "Jo" <eve@evil.example>', 'Müller, "Jo" <eve@evil.example>'),
        ("Grüße 😀 aus Zürich", "Grüße 😀 aus Zürich"),
    ],
)
async def test_headers_say_what_was_written_on_one_line(service: Service, text: str, shown: str) -> None:
    await service.mail.send(mail_of(Card(summary=text), name=text))

    (mail,) = await mailbox(service)
    assert (mail["subject"], mail["text"]) == (shown, "\n".join(text.splitlines()) + "\n")
    assert as_sent(mail_of(name=text))["To"].addresses[0].display_name == shown
    assert await mailbox(service, "eve@evil.example") == []


def test_a_long_summary_is_cut() -> None:
    subject = as_sent(mail_of(Card(summary="Ä" * 400)))["Subject"]

    assert subject == "Ä" * 149 + "…"


async def test_the_same_mail_sent_twice_is_there_once(service: Service) -> None:
    await fault(service, to=TO, code=451, after=True)

    with pytest.raises(GatewayUnavailable, match="451"):
        await service.mail.send(mail_of())  # it was kept, and we were told that it was not
    await service.mail.send(mail_of())
    await service.mail.send(mail_of(mail_id="cm_02"))

    assert [(mail["message_id"], mail["deliveries"]) for mail in await mailbox(service)] == [
        ("<cm_02@shop.example>", 1),
        ("<cm_01@shop.example>", 2),
    ]


@pytest.mark.parametrize(("code", "error"), [(451, GatewayUnavailable), (550, GatewayRefused)])
@pytest.mark.parametrize("to", [TO, "*"])
async def test_what_the_server_says_is_for_now_or_for_good(
    service: Service, to: str, code: int, error: type[Exception]
) -> None:
    await fault(service, to=to, code=code, next=1)

    with pytest.raises(error, match=str(code)):
        await service.mail.send(mail_of())

    assert await mailbox(service) == []
    await service.mail.send(mail_of())
    assert len(await mailbox(service)) == 1


@pytest.mark.parametrize(
    "to",
    [
        "",
        "abel",
        "abel@",
        "@demo.example",
        "a b@demo.example",
        "jörg@demo.example",
        "abel@demo.example, eve@evil.example",
        "abel@demo.example>\r\nRCPT TO:<eve@evil.example",
    ],
)
async def test_an_address_that_is_none_is_refused(service: Service, to: str) -> None:
    with pytest.raises(GatewayRefused):
        await service.mail.send(mail_of(to=to))

    assert (await service.http.get("/sandbox/mail/messages")).json() == []


async def test_a_domain_of_other_letters_is_reached(service: Service) -> None:
    await service.mail.send(mail_of(to="jo@bücher.example"))

    assert len(await mailbox(service, "jo@xn--bcher-kva.example")) == 1


@asynccontextmanager
async def listening(
    protocol: Callable[[], asyncio.Protocol], host: str = "127.0.0.1", **known: Any
) -> AsyncIterator[MailServer]:
    """A server that speaks so, and what a client is told of it."""
    server = await asyncio.get_running_loop().create_server(protocol, host, 0)
    yield MailServer(host=host, port=server.sockets[0].getsockname()[1], **known)
    server.close()


def through(server: MailServer, *, within_s: float = 5.0) -> SmtpMail:
    async def found() -> MailServer:
        return server

    return SmtpMail(found, sender=MAIL_FROM, within_s=within_s)


class Saying(asyncio.Protocol):
    """Says one thing and then nothing."""

    def __init__(self, greeting: bytes) -> None:
        self.greeting = greeting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(self.greeting)


@pytest.mark.parametrize(
    ("greeting", "told"),
    [(b"", "took longer than 0.2 s"), (b"554 No service\r\n", "No service"), (b"Hello\r\n", "Malf")],
)
async def test_a_server_that_is_none_is_asked_again(greeting: bytes, told: str) -> None:
    async with listening(lambda: Saying(greeting)) as server:
        with pytest.raises(GatewayUnavailable, match=told):
            await through(server, within_s=0.2).send(mail_of())


async def test_where_nothing_listens_is_asked_again() -> None:
    async with listening(lambda: Saying(b"")) as server:
        pass

    with pytest.raises(GatewayUnavailable, match="Error connecting"):
        await through(server).send(mail_of())


async def test_a_sandbox_that_cannot_be_asked_is_asked_again() -> None:
    async with listening(lambda: Saying(b"")) as server:
        pass

    mail = SmtpMail(lambda: server_of(f"http://127.0.0.1:{server.port}"), sender=MAIL_FROM)
    with pytest.raises(GatewayUnavailable, match="sandbox cannot be asked"):
        await mail.send(mail_of())


@dataclass(slots=True)
class Kept:
    """What a server took, and whether it came encrypted."""

    mails: list[tuple[bool, list[str]]] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 aiosmtpd's name
        self.mails.append((session.ssl is not None, envelope.rcpt_tos))
        return "250 OK"


def secured(kept: Kept, password: bytes) -> Callable[[], SMTP]:
    """A server that takes mail only encrypted, and from whoever knows the password."""
    context = self_signed()

    def authenticated(_server: SMTP, _session: Session, _envelope: Envelope, _way: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password == password, handled=False)

    return lambda: SMTP(
        kept, tls_context=context, require_starttls=True, auth_required=True, authenticator=authenticated
    )


def self_signed() -> ssl.SSLContext:
    """A server's side of TLS under a name that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    until = datetime.now(UTC) + timedelta(days=1)
    builder = builder.serial_number(1).not_valid_before(until - timedelta(days=2)).not_valid_after(until)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with NamedTemporaryFile() as file:
        file.write(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        file.flush()
        context.load_cert_chain(file.name)
    return context


async def test_on_this_machine_mail_is_encrypted_where_it_can_be() -> None:
    kept = Kept()

    async with listening(secured(kept, b"right"), user="credits", password="right") as server:
        await through(server).send(mail_of())

    assert kept.mails == [(True, [TO])]


async def test_a_password_that_is_wrong_is_for_somebody_to_mend() -> None:
    kept = Kept()

    async with listening(secured(kept, b"right"), user="credits", password="wrong") as server:
        with pytest.raises(GatewayUnavailable, match="535"):
            await through(server).send(mail_of())

    assert kept.mails == []


@pytest.mark.parametrize("encrypts", [False, True], ids=["in the clear", "with a certificate that is nobody's"])
async def test_elsewhere_mail_goes_to_no_server_that_may_be_another(encrypts: bool) -> None:
    kept = Kept()
    protocol = secured(kept, b"right") if encrypts else lambda: SMTP(kept)

    async with listening(protocol, host="127.0.0.2") as server:
        with pytest.raises(GatewayUnavailable, match="certificate" if encrypts else "STARTTLS"):
            await through(server).send(mail_of())

    assert kept.mails == []
