"""Cards as Slack gets them: all their parts, nothing taken for markup, nothing longer than Slack takes."""

from dataclasses import replace
from typing import Any

import pytest

from credits.gateways import Button, Card, Picture
from tests.app.gateways.slack_calls import APPROVALS, APPROVE, CARD, REJECT, messages
from tests.app.service import Service


async def blocks_of(service: Service, card: Card) -> list[dict[str, Any]]:
    await service.slack.post(APPROVALS, card, dedupe="blocks", again=False)
    blocks: list[dict[str, Any]] = (await messages(service))[-1]["blocks"]
    return blocks


async def test_a_card_is_posted_with_all_its_parts(service: Service) -> None:
    posted = await service.slack.post(APPROVALS, CARD, dedupe="approval:1", again=False)

    (message,) = await messages(service)
    assert (posted.channel, posted.ts) == (message["channel"], message["ts"]) == (APPROVALS, posted.ts)
    assert message["text"] == CARD.summary
    assert message["metadata"] == {"event_type": "staging_credits", "event_payload": {"dedupe": "approval:1"}}
    assert [block["type"] for block in message["blocks"]] == [
        "header",
        "section",
        "section",
        "section",
        "input",
        "actions",
        "context",
    ]
    title, text, quote, fields, _, actions, notes = message["blocks"]
    assert title["text"] == {"type": "plain_text", "text": "Approval needed"}
    assert text["text"] == {"type": "plain_text", "text": "Milo asks to buy 500 credits."}
    assert quote["text"] == {"type": "mrkdwn", "text": "> We stage twelve homes.", "verbatim": True}
    assert [field["text"] for field in fields["fields"]] == ["*Price*\n$899.00", "*For*\nResidential"]
    approve, reject = actions["elements"]
    assert (approve["action_id"], approve["value"], approve["style"]) == ("approve", "apr_01:1", "primary")
    assert approve["confirm"]["text"]["text"] == "Approve 500 credits for $899.00?"
    assert (reject["action_id"], reject["style"], "confirm" in reject) == ("reject", "danger", False)
    assert notes["elements"] == [{"type": "plain_text", "text": "Request apr_01"}]


SMUGGLED = "<!channel> *bold* <http://x|y> & @here"
ESCAPED = "&lt;!channel&gt; *bold* &lt;http://x|y&gt; &amp; @here"


async def test_nothing_that_people_wrote_is_a_mention_or_a_link(service: Service) -> None:
    smuggling = Card(
        summary=SMUGGLED,
        title=SMUGGLED,
        text=SMUGGLED,
        quote=SMUGGLED,
        fields=((SMUGGLED, SMUGGLED),),
        buttons=(Button(action="approve", label=SMUGGLED, value=SMUGGLED),),
        notes=(SMUGGLED,),
    )

    title, text, quote, fields, actions, notes = await blocks_of(service, smuggling)

    assert (await messages(service))[-1]["text"] == ESCAPED
    for plain in (title["text"], text["text"], actions["elements"][0]["text"], notes["elements"][0]):
        assert plain == {"type": "plain_text", "text": SMUGGLED}
    assert quote["text"] == {"type": "mrkdwn", "text": f"> {ESCAPED}", "verbatim": True}
    assert fields["fields"] == [{"type": "mrkdwn", "text": f"*{ESCAPED}*\n{ESCAPED}", "verbatim": True}]
    assert actions["elements"][0]["value"] == SMUGGLED


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\x85"])
async def test_no_line_leaves_a_quotation(service: Service, end: str) -> None:
    (quote,) = await blocks_of(service, Card(summary="-", quote=f"first{end}second{end}{end}> fourth"))

    assert quote["text"]["text"] == "> first\n> second\n> \n> &gt; fourth"


async def test_what_is_too_long_for_slack_ends_in_an_ellipsis(service: Service) -> None:
    long = "x" * 4000
    button = Button(action="approve", label=long, value=long, confirm=long)
    card = Card(
        summary=long, title=long, text=long, quote=long, fields=((long, long),), buttons=(button,), notes=(long,)
    )

    title, text, quote, fields, actions, notes = await blocks_of(service, card)

    pressed = actions["elements"][0]
    cut = {
        150: title["text"]["text"],
        3000: text["text"]["text"],
        2000: fields["fields"][0]["text"],
        75: pressed["text"]["text"],
        300: pressed["confirm"]["text"]["text"],
        30: pressed["confirm"]["confirm"]["text"],
    }
    assert {limit: len(found) for limit, found in cut.items()} == {limit: limit for limit in cut}
    others = [
        quote["text"]["text"],
        pressed["value"],
        notes["elements"][0]["text"],
        (await messages(service))[-1]["text"],
    ]
    assert [len(found) for found in others] == [3000, 2000, 2000, 3000]
    assert all(found.endswith("x…") for found in [*cut.values(), *others])


@pytest.mark.parametrize("length", [599, 600, 601, 2997, 2998, 2999])
async def test_a_cut_never_goes_through_an_escape(service: Service, length: int) -> None:
    (quote,) = await blocks_of(service, Card(summary="-", quote="&" * length))

    shown = quote["text"]["text"].removeprefix("> ")
    assert shown == "&amp;" * 599 + ("" if length == 599 else "…")
    assert len(quote["text"]["text"]) <= 3000


async def test_many_fields_buttons_and_notes_go_on_in_further_blocks(service: Service) -> None:
    card = Card(
        summary="-",
        fields=tuple((f"Field {number}", "-") for number in range(21)),
        buttons=tuple(Button(action=f"press-{number}", label="Press", value="-") for number in range(26)),
        notes=tuple(f"Note {number}" for number in range(11)),
    )

    blocks = await blocks_of(service, card)

    counts = [(block["type"], len(block.get("fields") or block["elements"])) for block in blocks]
    assert counts == [
        ("section", 10),
        ("section", 10),
        ("section", 1),
        ("actions", 25),
        ("actions", 1),
        ("context", 10),
        ("context", 1),
    ]


async def test_a_message_has_no_more_blocks_than_slack_takes(service: Service) -> None:
    blocks = await blocks_of(service, Card(summary="-", fields=(("Field", "-"),) * 501))

    assert len(blocks) == 50


async def test_beside_a_button_that_does_harm_one_can_type_why(service: Service) -> None:
    harmless = await blocks_of(service, Card(summary="-", buttons=(APPROVE,)))
    harmful = await blocks_of(service, Card(summary="-", buttons=(APPROVE, REJECT)))

    assert [block["type"] for block in harmless] == ["actions"]
    assert [block["type"] for block in harmful] == ["input", "actions"]
    assert (harmful[0]["block_id"], harmful[0]["element"]["action_id"], harmful[0]["optional"]) == (
        "reason",
        "reason",
        True,
    )


async def test_a_button_with_an_address_opens_it(service: Service) -> None:
    link = Button(action="buy", label="Buy credits", value="", url="https://credits.example/buy")

    (actions,) = await blocks_of(service, Card(summary="-", buttons=(link,)))

    assert actions["elements"][0]["url"] == "https://credits.example/buy"


async def test_a_picture_stands_on_the_card_between_the_figures_and_the_buttons(service: Service) -> None:
    picture = Picture(url="https://credits.example/exports/charts/x.png", alt="Credits used on each day")

    await service.slack.post(APPROVALS, replace(CARD, picture=picture), dedupe="a", again=False)

    (message,) = await messages(service)
    kinds = [block["type"] for block in message["blocks"]]
    (block,) = [block for block in message["blocks"] if block["type"] == "image"]
    assert (block["image_url"], block["alt_text"]) == (picture.url, picture.alt)
    assert kinds.index("section") < kinds.index("image") < kinds.index("actions")


async def test_a_card_whose_picture_slack_does_not_take_is_posted_without_it(service: Service) -> None:
    picture = Picture(url="ftp://credits.example/x.png", alt="Credits used on each day")

    await service.slack.post(APPROVALS, replace(CARD, picture=picture), dedupe="a", again=False)

    (message,) = await messages(service)
    assert "image" not in {block["type"] for block in message["blocks"]}
    assert message["text"] == CARD.summary
