"""What the domain asks of a chat: to post, to edit, to say who somebody is; and what people do there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from credits.gateways.cards import Card, Form


@dataclass(frozen=True, slots=True)
class MessageRef:
    """Where a message is, so that it can be edited: the conversation and the message's own time stamp."""

    channel: str
    ts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A workspace of the chat that takes messages from us, or a whole enterprise, where the app is installed for one:
    its id and the token that is good for it. `org` is where its people's ids are from: its enterprise's id, else its
    own."""

    id: str
    org: str
    token: str = field(repr=False)


class InteractionKind(StrEnum):
    """PRESSED a button; SUBMITTED a form; COMMAND typed; HOME opened. REMOVED: the app was taken out of the workspace,
    or its token was revoked; nobody in particular did that."""

    PRESSED = "PRESSED"
    SUBMITTED = "SUBMITTED"
    COMMAND = "COMMAND"
    HOME = "HOME"
    REMOVED = "REMOVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """What somebody did in the chat, as the chat's own servers signed it. `team_id` is the workspace's id, or the
    enterprise's, as the app is installed there; `org` is where `user_id` is from. `key` is unique to it. `channel` is
    where it was done, if anywhere; `message` the card whose button was pressed. `text` is what was typed: into a form,
    or after the command. `trigger` lets a form be opened within three seconds; `reply_to` is an address at which this
    person can be answered without a token."""

    key: str
    kind: InteractionKind
    team_id: str
    org: str
    user_id: str
    action: str = ""
    value: str = ""
    channel: str | None = None
    message: MessageRef | None = None
    text: str | None = None
    trigger: str | None = None
    reply_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatPerson:
    """A person as the chat knows them; `email` only where the chat has verified that it is theirs."""

    id: str
    email: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """The app was installed in a workspace by somebody there. `name` is the workspace's."""

    workspace: Workspace
    name: str
    by: str


class ChatGateway(Protocol):
    """A workspace with channels, people and buttons. Every verb raises GatewayUnavailable and GatewayRefused."""

    async def post(
        self, to: str, card: Card, *, dedupe: str, again: bool, thread: MessageRef | None = None
    ) -> MessageRef:
        """Show the card in a channel, or to a person directly (`to` is the id of either), or as an answer in a thread
        (`to` is then its channel). With `again` it may have been posted before by a process that did not live to tell:
        a message that carries the same `dedupe` is looked for first and taken for it."""

    async def update(self, message: MessageRef, card: Card) -> None:
        """Show another card in its place."""

    async def whisper(self, channel: str, user_id: str, *cards: Card) -> None:
        """Tell one person in a channel something that the others do not see: the cards below each other."""

    async def ask(self, trigger: str, form: Form) -> None:
        """Open a form before whoever did what the trigger is of."""

    async def show_home(self, user_id: str, cards: Sequence[Card]) -> None:
        """What this person sees when they open the app by itself."""

    async def person(self, user_id: str) -> ChatPerson:
        """Who this is."""

    async def check(self) -> None:
        """Raises AccessRevoked where the workspace no longer takes anything from us."""

    async def leave(self) -> None:
        """Give the token back: it is good for nothing any more. Raises AccessRevoked where it was not before."""


class Chat(Protocol):
    """A chat of many workspaces."""

    def at(self, workspace: Workspace) -> ChatGateway:
        """One of them."""

    def read_interaction(self, body: bytes, *, timestamp: str, signature: str) -> Interaction | None:
        """Verify the signature over the raw body and read what was done; None for what needs no answer. Raises
        BadSignature, and ValueError for a body that is nothing that the chat sends."""

    async def answer(self, reply_to: str, *cards: Card) -> None:
        """Answer whoever did something, at the address that came with it; nobody else sees it. Raises
        GatewayUnavailable and GatewayRefused, as the next does."""

    def install_url(self, *, state: str) -> str:
        """Where somebody installs the app in their workspace; they come back with `state` and a code."""

    async def installed(self, code: str) -> Installed:
        """What the code of somebody who came back stands for."""
