"""The sandbox's mailboxes, as a browser without scripts and as tests meet them."""

import re
from email.message import EmailMessage

import aiosmtplib
import pytest

from tests.app.service import Service

MAIL = "/sandbox/mail"


async def handed_in(service: Service, *, to: str = "abel@demo.example", **parts: str) -> None:
    """A mail as anybody may send it."""
    message = EmailMessage()
    message["From"] = "Somebody <somebody@elsewhere.example>"
    message["Subject"] = parts.get("subject", "Hello")
    if "message_id" in parts:
        message["Message-ID"] = parts["message_id"]
    message.set_content(parts.get("text", "Good morning"))
    if "html" in parts:
        message.add_alternative(parts["html"], subtype="html")
    port = (await service.http.get(f"{MAIL}/server")).json()["port"]
    await aiosmtplib.send(message, hostname="127.0.0.1", port=port, recipients=[to])


async def opened(service: Service) -> str:
    """The address of the newest mail."""
    (address, *_) = re.findall(rf'"({MAIL}/[0-9a-f]{{40}})"', (await service.http.get(f"{MAIL}/")).text)
    return str(address)


async def test_a_mailbox_is_chosen_and_a_mail_opened(service: Service) -> None:
    await handed_in(service, subject="For <Abel>")
    await handed_in(service, to="Dana@demo.example", subject="For Dana")

    everybody = (await service.http.get(f"{MAIL}/")).text
    abels = (await service.http.get(f"{MAIL}/", params={"to": "ABEL@demo.example"})).text
    mail = (await service.http.get(await opened(service))).text

    assert everybody.index("For Dana") < everybody.index("For &lt;Abel&gt;")
    assert f'href="{MAIL}/?to=dana%40demo.example"' in everybody
    assert "For Dana" not in abels
    assert "Somebody &lt;somebody@elsewhere.example&gt;" in mail
    assert "<pre>Good morning\n</pre>" in mail


async def test_the_html_of_a_mail_stands_in_a_frame_that_may_do_nothing(service: Service) -> None:
    await handed_in(service, html="<script>alert(1)</script><b>Good morning</b>")
    address = await opened(service)

    page, html = await service.http.get(address), await service.http.get(f"{address}/html")

    assert f'<iframe src="{address}/html" sandbox="allow-popups allow-popups-to-escape-sandbox"' in page.text
    assert "<script" not in page.text
    assert "<b>Good morning</b>" in html.text
    policy = html.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert policy.endswith("; sandbox allow-popups allow-popups-to-escape-sandbox")


async def test_mails_are_the_same_by_their_id_or_else_by_all_of_them(service: Service) -> None:
    for text in ("one", "one, sent again"):
        await handed_in(service, message_id="<1@elsewhere.example>", text=text)
    for text in ("two", "two", "three"):
        await handed_in(service, text=text)
    await handed_in(service, to="dana@demo.example", message_id="<1@elsewhere.example>")

    mails = (await service.http.get(f"{MAIL}/messages", params={"to": "abel@demo.example"})).json()
    assert [(mail["text"], mail["deliveries"]) for mail in mails] == [("three\n", 1), ("two\n", 2), ("one\n", 2)]
    assert len((await service.http.get(f"{MAIL}/messages")).json()) == 4
    assert "2 times, kept once" in (await service.http.get(f"{MAIL}/")).text


@pytest.mark.parametrize(
    "fields",
    [
        {"code": 200},
        {"code": 600},
        {"code": "451"},
        {"next": -1},
        {"to": "abel"},
        {"to": "a\0@b.example"},
        {"who": "x"},
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused(service: Service, fields: dict[str, object]) -> None:
    answer = await service.http.post(f"{MAIL}/faults", json=fields)

    assert (answer.status_code, list(answer.json())) == (400, ["error"])


async def test_a_mail_that_is_not_there_is_told_on_a_page(service: Service) -> None:
    answer = await service.http.get(f"{MAIL}/{'0' * 40}")

    assert answer.status_code == 404
    assert "There is no such mail" in answer.text


async def test_the_pages_lead_to_each_other(service: Service) -> None:
    for page in ("/sandbox/", "/sandbox/slack/"):
        assert f'href="{MAIL}/"' in (await service.http.get(page)).text
    assert (await service.http.get(MAIL)).headers["Location"].endswith(f"{MAIL}/")
