"""Answers to what people do in the chat: to them, and to nobody else."""

from collections.abc import Sequence

import structlog

from credits.chat.people import person_behind
from credits.desk.desk import Desk
from credits.desk.home import home_cards
from credits.gateways.cards import Card
from credits.gateways.chat import Interaction, InteractionKind
from credits.gateways.errors import GatewayRefused, GatewayUnavailable
from credits.inbox import change

# What came of an interaction, in the inbox.
TAKEN, ANSWERED = "taken", "answered"
_log = structlog.get_logger()


async def answer(desk: Desk, interaction: Interaction, *cards: Card) -> None:
    """Tell whoever did it, and nobody else: at most once, since what only one person sees cannot be looked for after a
    worker died. Raises GatewayUnavailable where the chat asks us to come again later."""
    if not await change("slack", interaction.key, before=TAKEN, after=ANSWERED):
        return
    try:
        await _answer(desk, interaction, cards)
    except GatewayRefused as error:
        _log.warning("not_answered", team=interaction.team_id, user=interaction.user_id, reason=str(error))
    except GatewayUnavailable as error:
        if error.retry_after_s is not None:
            await change("slack", interaction.key, before=ANSWERED, after=TAKEN)
            raise
        # They may have read it or not, and can do the same once more.
        _log.warning("answer_lost", team=interaction.team_id, user=interaction.user_id, reason=str(error))


async def _answer(desk: Desk, interaction: Interaction, cards: Sequence[Card]) -> None:
    """Where it was done, if we are there as well: a command can be typed anywhere."""
    messenger = desk.messenger
    workspace, reply_to = await messenger.workspaces.of_team(interaction.team_id), interaction.reply_to
    typed = interaction.kind is InteractionKind.COMMAND and reply_to is not None
    if workspace is not None and interaction.channel is not None and not typed:
        try:
            await messenger.chat.at(workspace).whisper(interaction.channel, interaction.user_id, *cards)
        except GatewayRefused:
            if reply_to is None:
                raise
        else:
            return
    if reply_to is not None:
        await messenger.chat.answer(reply_to, *cards)
    elif workspace is not None and interaction.channel is None:
        # Done in the app's home, where nothing can be answered: it shows the answer itself, and how things are now.
        user_id = await person_behind(interaction.org, interaction.user_id)
        home = await home_cards(desk, user_id, interaction.team_id) if user_id else []
        await messenger.chat.at(workspace).show_home(interaction.user_id, [*cards, *home])
