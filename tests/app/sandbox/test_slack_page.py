"""The page of the sandbox's Slack, as a browser without scripts meets it."""

import base64
import hashlib

import httpx

from tests.app.sandbox.slack_calls import ACTIONS, APPROVALS, APPROVER, REASON, SLACK, call, posted, section
from tests.app.service import Service


async def page(service: Service, **query: str) -> httpx.Response:
    shown = await service.http.get(f"{SLACK}/", params=query)
    assert shown.status_code == 200
    return shown


async def test_the_page_draws_a_message_with_all_its_parts(service: Service) -> None:
    fields = {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Price*\n$899.00"}]}
    header = {"type": "header", "text": {"type": "plain_text", "text": "Approval *needed* <b>"}}
    notes = {"type": "context", "elements": [{"type": "plain_text", "text": "Request apr_01"}]}
    ts = await posted(service, header, section("> _quoted_ &lt;b&gt;"), fields, REASON, ACTIONS, notes)

    shown = (await page(service, channel=APPROVALS)).text

    for part in (
        "<h3>Approval *needed* &lt;b&gt;</h3>",
        "<blockquote><em>quoted</em> &lt;b&gt;</blockquote>",
        "<strong>Price</strong><br>$899.00",
        'name="reason"',
        'name="action_id" value="approve">Yes, approve</button>',
        "<p>Approve 500 credits?</p>",
        'name="action_id" value="reject">Reject</button>',
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

    shown = (await page(service, channel=APPROVALS)).text

    assert "first" not in shown
    assert "(edited)" in shown
    assert "Only visible to Milo Member" in shown


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
    ts = await posted(service, REASON, ACTIONS)
    form = {"ts": ts, "channel": APPROVALS, "as": "U0POOLADMIN", "action_id": "reject", "reason": "Too dear"}

    answer = await service.http.post(f"{SLACK}/press", data=form)
    shown = await service.http.get(answer.headers["Location"])

    assert answer.status_code == 303
    assert "The service answered 200 to the press" in shown.text
    assert '<option value="U0POOLADMIN" selected>' in shown.text
    (press,) = service.pressed
    assert (press.user_id, press.action) == ("U0POOLADMIN", "reject")


async def test_pressing_a_button_on_the_page_that_is_gone_leads_back_to_it(service: Service) -> None:
    ts = await posted(service, text="decided")
    form = {"ts": ts, "channel": APPROVALS, "as": APPROVER, "action_id": "approve"}

    answer = await service.http.post(f"{SLACK}/press", data=form)

    assert (answer.status_code, answer.headers["Location"]) == (303, f"{SLACK}/?channel={APPROVALS}&as={APPROVER}")
    assert service.pressed == []


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
