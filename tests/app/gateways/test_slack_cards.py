"""Cards as Slack gets them: all their parts, nothing taken for markup, nothing longer than Slack takes."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.gateways import slack_blocks
from app.gateways.slack_blocks import escaped
from app.sandbox.slack_blocks import problems
from credits.gateways.cards import Button, Card, Picture
from tests.app.gateways.slack_calls import APPROVALS, CARD, messages
from tests.app.service import Service
from tests.support.slack import quotation_in


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
        "rich_text",
        "section",
        "actions",
        "context",
    ]
    title, text, quote, fields, actions, notes = message["blocks"]
    assert title["text"] == {"type": "plain_text", "text": "Approval needed", "emoji": False}
    assert text["text"] == {"type": "plain_text", "text": "Milo asks to buy 500 credits.", "emoji": False}
    assert quotation_in([quote]) == "We stage twelve homes."
    assert [field["text"] for field in fields["fields"]] == ["*Price*\n$899.00", "*For*\nResidential"]
    approve, reject = actions["elements"]
    assert (approve["action_id"], approve["value"], approve["style"]) == ("approve", "apr_01:1", "primary")
    assert (approve["confirm"]["text"]["text"], approve["confirm"]["style"]) == (
        "Approve 500 credits for $899.00?",
        "primary",
    )
    assert (reject["action_id"], reject["style"], "confirm" in reject) == ("reject", "danger", False)
    assert notes["elements"] == [{"type": "plain_text", "text": "Request apr_01", "emoji": False}]


SMUGGLED = "<!channel> *b* <http://x|y> & @here <!date^0^{date}|x> <@U1> <#C1> :x:"
ESCAPED = SMUGGLED.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


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
        assert plain == {"type": "plain_text", "text": SMUGGLED, "emoji": False}
    assert quotation_in([quote]) == SMUGGLED
    assert fields["fields"] == [{"type": "mrkdwn", "text": f"*{ESCAPED}*\n{ESCAPED}", "verbatim": True}]
    assert actions["elements"][0]["value"] == SMUGGLED


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\x85"])
async def test_no_line_leaves_a_quotation(service: Service, end: str) -> None:
    (quote,) = await blocks_of(service, Card(summary="-", quote=f"first{end}second{end}{end}> fourth"))

    assert quotation_in([quote]) == "first\nsecond\n\n> fourth"


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
        quotation_in([quote]),
        pressed["value"],
        notes["elements"][0]["text"],
        (await messages(service))[-1]["text"],
    ]
    assert [len(found) for found in others] == [3000, 2000, 2000, 3000]
    assert all(found.endswith("x…") for found in [*cut.values(), *others])


@pytest.mark.parametrize("length", [399, 400, 401, 1996, 1997, 1998])
async def test_a_cut_never_goes_through_an_escape(service: Service, length: int) -> None:
    (fields,) = await blocks_of(service, Card(summary="-", fields=(("-", "&" * length),)))

    (shown,) = fields["fields"]
    assert shown["text"] == "*-*\n" + "&amp;" * 399 + ("" if length == 399 else "…")
    assert len(shown["text"]) <= 2000


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


WHAT_PEOPLE_WRITE = st.text(st.sampled_from("<>&!@#^|*:{}\n\r\u2028 aU0é👩"), max_size=40) | st.text(max_size=40)
LENGTHENED = st.builds(lambda text, times: text * times, WHAT_PEOPLE_WRITE, st.sampled_from([1, 1, 200]))
AT = datetime(2026, 11, 28, 12, tzinfo=UTC)
MARKUP = re.compile(r"<!date\^1795867200\^\{date_short_pretty\} \{time\}\|2026-11-28 12:00 UTC>|&(?:amp|lt|gt);")


def texts_in(part: object) -> Iterator[dict[str, Any]]:
    """Every text object, however deep."""
    if isinstance(part, dict):
        if part.get("type") in ("plain_text", "mrkdwn"):
            yield part
        for each in part.values():
            yield from texts_in(each)
    elif isinstance(part, list):
        for each in part:
            yield from texts_in(each)


@settings(max_examples=50, deadline=None)
@given(LENGTHENED, LENGTHENED)
def test_whatever_people_write_slack_takes_it_and_finds_no_markup_but_our_times(one: str, two: str) -> None:
    words = (one, AT, two)
    card = Card(
        summary=one or "-",
        title=two,
        text=words,
        quote=one,
        fields=((one or "-", two),),
        buttons=(Button(action="approve", label=one or "-", value=two, style="danger", confirm=two or "-"),),
        notes=(words, two or "-"),
    )

    blocks = [block.to_dict() for block in slack_blocks.blocks_of(card)]

    assert problems(blocks) == []
    assert not set("<>") & set(escaped(one, 3000))
    for text in texts_in(blocks):
        if text["type"] == "plain_text":
            assert text["emoji"] is False
        else:
            assert text["verbatim"] is True
            rest = MARKUP.sub("", text["text"])
            assert not set("<&") & set(rest)
            assert ">" not in rest


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
