"""Tokens of connected workspaces: kept so that the database alone does not give them away, under keys that change."""

from collections.abc import AsyncIterator

import pytest
from cryptography.fernet import Fernet

from app.sandbox.slack_people import TEAM_ID
from credits.accounts.queries import owners_of
from credits.actors import Actor, ActorKind
from credits.chat.models import SlackConnection
from credits.chat.workspaces import Seal, Workspaces, connect, reseal
from credits.gateways.chat import Installed, Workspace
from tests.support.service import Service

OLD, NEW, LOST = (Fernet.generate_key().decode() for _ in range(3))
THEIRS = Workspace(id="T0RESEALED", org="T0RESEALED", token="xoxb-theirs")


@pytest.fixture
async def account_id(service: Service) -> AsyncIterator[str]:
    """Of an account that was connected while OLD was the key."""
    account_id = (await service.account()).account_id
    (owner,) = await owners_of(account_id)
    installed = Installed(workspace=THEIRS, name="Theirs", by="U0THEIRS01")
    await connect(_workspaces(OLD), Actor(kind=ActorKind.USER, id=owner), account_id, installed)
    yield account_id
    await SlackConnection.filter(account_id=account_id).delete()


def _workspaces(*keys: str) -> Workspaces:
    own = Workspace(id=TEAM_ID, org=TEAM_ID, token="xoxb-own")
    return Workspaces(own=own, shared=True, seal=Seal(keys))


@pytest.mark.parametrize(("keys", "opened"), [((OLD,), True), ((NEW, OLD), True), ((NEW,), False), ((), False)])
async def test_a_token_opens_with_the_key_that_sealed_it_or_its_account_is_told_elsewhere(
    account_id: str, keys: tuple[str, ...], opened: bool
) -> None:
    assert await _workspaces(*keys).of_account(account_id) == (THEIRS if opened else None)


async def test_once_resealed_a_token_wants_the_old_key_no_more(account_id: str) -> None:
    _, unopened = await reseal(Seal((NEW, OLD)))

    assert account_id not in unopened
    assert await _workspaces(NEW).of_account(account_id) == THEIRS
    assert await _workspaces(OLD).of_account(account_id) is None


async def test_what_no_key_opens_is_named_and_left_as_it_is(account_id: str) -> None:
    before = (await SlackConnection.get(account_id=account_id)).sealed_token

    _, unopened = await reseal(Seal((LOST,)))

    assert account_id in unopened
    assert (await SlackConnection.get(account_id=account_id)).sealed_token == before


async def test_a_new_token_of_a_workspace_is_the_token_of_its_other_accounts_too(
    service: Service, account_id: str
) -> None:
    other = (await service.account()).account_id
    newer = Workspace(id=THEIRS.id, org=THEIRS.org, token="xoxb-newer")

    await connect(
        _workspaces(OLD), Actor(kind=ActorKind.USER, id="usr_any"), other, Installed(workspace=newer, name="T", by="U")
    )

    assert await _workspaces(OLD).of_account(account_id) == newer
    await SlackConnection.filter(account_id=other).delete()
