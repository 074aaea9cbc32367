"""Where mail goes out, and whom it is from."""

import pytest

from app.smtp import MailServer, mail_server, sender


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", MailServer(host="mail.example", port=587)),
        ("smtps://mail.example", MailServer(host="mail.example", port=465, encrypted=True)),
        (
            "smtp://jo%40shop:p%2Fw@mail.example:2525",
            MailServer(host="mail.example", port=2525, user="jo@shop", password="p/w"),
        ),
        ("smtp://[::1]:25", MailServer(host="::1", port=25)),
    ],
)
def test_a_server_by_its_address(url: str, server: MailServer) -> None:
    assert mail_server(url) == server


@pytest.mark.parametrize(
    "url",
    [
        "mail.example",
        "smtp://",
        "smtp://mail.example:0",
        "smtp://mail.example:70000",
        "smtp://jo@mail.example",
        "smtp://mail.example/in",
        "smtp://mail.example?tls=no",
        "https://mail.example",
    ],
)
def test_an_address_that_names_no_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="SMTP_URL wants smtp://"):
        mail_server(url)


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(mail_server("smtp://jo:secret@mail.example"))


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("Staging Credits <credits@shop.example>", "Staging Credits", "credits@shop.example"),
        ("credits@shop.example", "", "credits@shop.example"),
        ('"Bau, Grüße" <credits@shop.example>', "Bau, Grüße", "credits@shop.example"),
    ],
)
def test_a_sender(text: str, name: str, address: str) -> None:
    found = sender(text)

    assert (found.display_name, found.addr_spec) == (name, address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "credits",
        "credits@shop",
        "a@shop.example, b@shop.example",
        "crédits@shop.example",
        "credits@shop.example\r\nBcc: eve@evil.example",
        "=?utf-8?q?a=0D=0ABcc=3A?= <a@shop.example>",
    ],
)
def test_a_sender_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="MAIL_FROM wants one address"):
        sender(text)
