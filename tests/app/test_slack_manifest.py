"""The manifest of the Slack app agrees with what the service asks of Slack, and with where it listens."""

import json
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.gateways.slack import SCOPES, SlackChat
from app.gateways.slack_manifest import EXAMPLE, manifest
from tests.support.service import SLACK_SECRET, Service

APP = json.loads(manifest(EXAMPLE))
FEATURES, SETTINGS, OAUTH = APP["features"], APP["settings"], APP["oauth_config"]


async def test_it_asks_for_the_scopes_that_installing_asks_for() -> None:
    chat = SlackChat(signing_secrets=(SLACK_SECRET,), client_id="1.2", redirect_url=OAUTH["redirect_urls"][0])
    asked = chat.install_url(state="state")
    await chat.close()

    assert OAUTH["scopes"] == {"bot": sorted(SCOPES.split(","))}
    assert "slack.com/oauth/v2/authorize?client_id=1.2&scope=channels%3Ahistory" in asked
    assert "redirect_uri=https%3A%2F%2Fcredits.example.com%2Fslack%2Foauth%2Fcallback" in asked


@pytest.mark.parametrize(
    "address",
    [
        FEATURES["slash_commands"][0]["url"],
        SETTINGS["interactivity"]["request_url"],
        SETTINGS["event_subscriptions"]["request_url"],
    ],
)
async def test_the_service_listens_where_it_says(service: Service, address: str) -> None:
    assert (await service.http.post(urlsplit(address).path, content=b"{}")).status_code == 401


def test_it_wants_what_the_service_works_on() -> None:
    assert SETTINGS["event_subscriptions"]["bot_events"] == ["app_home_opened", "app_uninstalled", "tokens_revoked"]
    assert [each["command"] for each in FEATURES["slash_commands"]] == ["/credits"]
    assert FEATURES["app_home"] == {
        "home_tab_enabled": True,
        # Without it nobody can be written to directly; read only, since nobody would answer there.
        "messages_tab_enabled": True,
        "messages_tab_read_only_enabled": True,
    }
    # Slack's own limits.
    assert len(APP["display_information"]["description"]) <= 140
    assert 174 <= len(APP["display_information"]["long_description"]) <= 4000


def test_the_command_line_prints_it_for_the_deployments_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://pay.lumen.example/")

    printed = CliRunner().invoke(cli, ["slack", "manifest"])

    assert printed.exit_code == 0
    assert json.loads(printed.stdout) == json.loads(manifest("https://pay.lumen.example"))
    assert EXAMPLE not in printed.stdout
