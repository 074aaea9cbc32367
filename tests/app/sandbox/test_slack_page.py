"""The page of the sandbox's Slack, as a browser without scripts meets it."""

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

import httpx

from credits.gateways.chat import InteractionKind
from tests.app.sandbox.slack_calls import (
    ACTIONS,
    APPROVALS,
    APPROVER,
    REASON,
    SLACK,
    call,
    open_form,
    posted,
    section,
    views,
)
from tests.app.service import Service


async def page(service: Service, **query: str) -> httpx.Response:
    shown = await service.http.get(f"{SLACK}/", params=query)
    assert shown.status_code == 200
    return shown


async def test_the_page_draws_a_message_with_all_its_parts(service: Service) -> None:
    fields = {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Price*\n$899.00"}]}
    header = {"type": "header", "text": {"type": "plain_text", "text": "Approval *needed* <b>"}}
    notes = {"type": "context", "elements": [{"type": "plain_text", "text": "Request apr_01"}]}
    quote = {"type": "rich_text_quote", "elements": [{"type": "text", "text": "*As* it\n:was: <written>"}]}
    written = {"type": "rich_text", "elements": [quote]}
    ts = await posted(service, header, section("> _quoted_ &lt;b&gt;"), written, fields, REASON, ACTIONS, notes)

    shown = (await page(service, channel=APPROVALS)).text

    for part in (
        "<h3>Approval *needed* &lt;b&gt;</h3>",
        "<blockquote><em>quoted</em> &lt;b&gt;</blockquote>",
        '<blockquote class="text">*As* it<br>:was: &lt;written&gt;</blockquote>',
        "<strong>Price</strong><br>$899.00",
        'name="typed-typed"',
        'name="button" value="action_id=approve&amp;value=apr_01%3A1">Yes, approve</button>',
        "<p>Approve 500 credits?</p>",
        'name="button" value="action_id=reject&amp;value=apr_01%3A1">Reject</button>',
        "<span>Request apr_01</span>",
        f'name="ts" value="{ts}"',
    ):
        assert part in shown
    assert "(edited)" not in shown


async def test_what_was_smuggled_into_a_message_shows_on_the_page(service: Service) -> None:
    text = "<!channel> <@U0APPROVER> <https://x.example/?a&amp;b|here> <javascript:alert(1)|there> <script>"
    await posted(service, text=text)

    shown = (await page(service, channel=APPROVALS)).text

    assert '<span class="mention">@channel</span>' in shown
    assert '<span class="mention">@Abel Approver</span>' in shown
    assert '<a href="https://x.example/?a&amp;b" rel="noopener">here</a>' in shown
    assert 'href="javascript' not in shown
    assert "<script" not in shown


async def test_the_page_marks_what_was_edited_and_what_only_one_sees(service: Service) -> None:
    ts = await posted(service, text="first")
    await call(service, "chat.update", channel=APPROVALS, ts=ts, text="second")
    await call(service, "chat.postEphemeral", channel=APPROVALS, user="U0MEMBER0", text="whispered")

    shown = (await page(service, channel=APPROVALS, **{"as": "member"})).text
    to_others = (await page(service, channel=APPROVALS, **{"as": "owner"})).text

    assert "first" not in shown
    assert "(edited)" in shown
    assert "Only visible to Milo Member" in shown
    assert "whispered" not in to_others


async def test_the_page_needs_nothing_from_elsewhere(service: Service) -> None:
    await posted(service, ACTIONS)

    shown = await page(service, channel=APPROVALS)

    policy = shown.headers["Content-Security-Policy"]
    style = shown.text.partition("<style>")[2].partition("</style>")[0]
    assert "default-src 'none'" in policy
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in policy
    assert "style=" not in shown.text
    assert "<script" not in shown.text


async def test_pressing_on_the_page_is_a_press_by_whom_one_chose_to_be(service: Service) -> None:
    ts = await posted(service, ACTIONS)
    form = {"ts": ts, "channel": APPROVALS, "as": "U0POOLADMIN", "button": "action_id=reject&value=apr_01%3A1"}

    answer = await service.http.post(f"{SLACK}/press", data=form)
    shown = await service.http.get(answer.headers["Location"])

    assert answer.status_code == 303
    assert "The service answered 200, after" in shown.text
    assert '<option value="U0POOLADMIN" selected>' in shown.text
    (press,) = service.pressed
    assert (press.user_id, press.action, press.value) == ("U0POOLADMIN", "reject", "apr_01:1")


async def test_times_are_shown_as_the_readers_clock_has_them(service: Service) -> None:
    await posted(service, section("Until <!date^1795000000^{date_short} {time}|soon>"))

    berlin = (await page(service, channel=APPROVALS, **{"as": "approver"})).text
    tokyo = (await page(service, channel=APPROVALS, **{"as": "deputy"})).text

    assert "Nov 18, 2026 12:06" in berlin
    assert "Nov 18, 2026 20:06" in tokyo


async def test_what_was_answered_to_a_message_stands_under_it(service: Service) -> None:
    ts = await posted(service, text="asked")
    await call(service, "chat.postMessage", channel=APPROVALS, text="approved", thread_ts=ts)

    shown = (await page(service, channel=APPROVALS)).text

    assert "1 reply" in shown
    assert shown.count('<p class="day">') == 1
    assert shown.index("asked") < shown.index("approved")


async def test_a_form_stands_before_whom_it_was_opened_for_until_it_is_closed(service: Service) -> None:
    await open_form(service)

    form = {"as": APPROVER, "channel": APPROVALS, "view_id": (await views(service))[0]["id"]}
    shown = (await page(service, channel=APPROVALS)).text
    to_others = (await page(service, channel=APPROVALS, **{"as": "owner"})).text
    empty = await service.http.post(f"{SLACK}/submit-form", data={**form, "typed-typed": ""})
    told = (await service.http.get(empty.headers["Location"])).text
    submitted = await service.http.post(f"{SLACK}/submit-form", data={**form, "typed-typed": "Too dear"})

    assert "<h2>Reject</h2>" in shown
    assert "Why?" not in to_others
    assert "Please complete this required field." in told
    assert submitted.status_code == 303
    assert [press.text for press in service.pressed[1:]] == ["Too dear"]
    assert await views(service) == []


async def test_what_was_typed_stays_in_a_form_while_something_is_wrong(service: Service) -> None:
    await open_form(service)
    service.says = {"response_action": "errors", "errors": {"typed": "Say more."}}

    await service.http.post(f"{SLACK}/submit-form", data={"as": APPROVER, "typed-typed": "No <b> way"})
    shown = (await page(service, channel=APPROVALS)).text

    assert ">\nNo &lt;b&gt; way</textarea>" in shown
    assert "Say more." in shown


async def test_the_app_is_told_that_its_home_is_opened(service: Service) -> None:
    opened = await service.http.post(f"{SLACK}/open-home", data={"as": APPROVER, "channel": APPROVALS})

    shown = (await service.http.get(opened.headers["Location"])).text
    assert [(each.kind, each.user_id) for each in service.pressed] == [(InteractionKind.HOME, APPROVER)]
    assert "The app shows nothing here yet." in shown


async def test_commands_and_nothing_else_are_typed_on_the_page(service: Service) -> None:
    service.says = {"text": "1,000 credits", "response_type": "ephemeral"}
    form = {"as": APPROVER, "channel": APPROVALS}

    typed = await service.http.post(f"{SLACK}/type", data={**form, "text": "/credits balance"})
    refused = await service.http.post(f"{SLACK}/type", data={**form, "text": "hello"})

    assert "1,000 credits" in (await service.http.get(typed.headers["Location"])).text
    assert refused.status_code == 400
    assert [press.text for press in service.pressed] == ["balance"]


async def test_the_app_is_allowed_into_a_workspace_once_for_each_code(service: Service) -> None:
    query = {"client_id": "sandbox", "redirect_uri": "http://127.0.0.1/callback", "state": "s1"}
    asked = await service.http.get(f"{SLACK}/oauth/v2/authorize", params=query)
    form = {"redirect_uri": query["redirect_uri"], "state": "s1", "user": "U0LUMENLEA"}

    refused = await service.http.post(f"{SLACK}/oauth/v2/authorize", data={**form, "allow": ""})
    allowed = await service.http.post(f"{SLACK}/oauth/v2/authorize", data={**form, "allow": "yes"})
    code = parse_qs(urlsplit(allowed.headers["Location"]).query)["code"][0]
    client = {"client_id": "sandbox", "client_secret": "sandbox", "code": code}
    first = await call(service, "oauth.v2.access", token="", **client)
    again = await call(service, "oauth.v2.access", token="", **client)

    assert "Lea Lumen, Lumen Partners" in asked.text
    assert refused.headers["Location"] == "http://127.0.0.1/callback?state=s1&error=access_denied"
    assert (first["team"], first["authed_user"]) == (
        {"id": "T0LUMEN001", "name": "Lumen Partners"},
        {"id": "U0LUMENLEA"},
    )
    assert (again["ok"], again["error"]) == (False, "invalid_code")


async def test_a_button_of_an_old_page_is_pressed_though_the_message_has_it_no_more(service: Service) -> None:
    ts = await posted(service, text="decided")
    form = {"ts": ts, "channel": APPROVALS, "as": APPROVER, "button": "action_id=approve&value=apr_01%3A1"}

    answer = await service.http.post(f"{SLACK}/press", data=form)

    assert answer.status_code == 303
    (pressed,) = service.pressed
    assert (pressed.action, pressed.value) == ("approve", "apr_01:1")


async def test_in_a_direct_conversation_one_is_whom_it_is_with(service: Service) -> None:
    await posted(service, channel="U0MEMBER0", text="For Milo alone")

    elsewhere = (await page(service, **{"as": "owner"})).text
    direct = (await page(service, channel="D0MEMBER0", **{"as": "owner"})).text

    assert "For Milo alone" not in elsewhere
    assert f'href="{SLACK}/?channel=D0MEMBER0&amp;as=U0MEMBER0"' in elsewhere
    assert "For Milo alone" in direct
    assert '<option value="U0MEMBER0" selected>' in direct


async def test_what_does_not_work_on_the_page_is_told_on_a_page(service: Service) -> None:
    nowhere = await service.http.get(f"{SLACK}/", params={"channel": "unknown"})
    nothing = await service.http.post(f"{SLACK}/press", data={"ts": "1.000001", "channel": APPROVALS})

    assert (nowhere.status_code, nothing.status_code) == (404, 404)
    assert "That did not work" in nowhere.text
    assert "That did not work" in nothing.text


async def test_the_sandboxs_first_page_leads_to_its_slack(service: Service) -> None:
    without_slash = await service.http.get(SLACK)

    assert f'href="{SLACK}/"' in (await service.http.get("/sandbox/")).text
    assert without_slash.headers["Location"] == f"{SLACK}/"
