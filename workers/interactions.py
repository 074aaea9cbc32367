"""What people did in the chat: buttons pressed, forms submitted, commands typed, the app removed."""

from collections.abc import Mapping
from typing import Any

from credits.chat.linking import LINKED_JOB
from credits.chat.news import tell_linked, tell_removed
from credits.chat.workspaces import LEAVE_JOB, REMOVED_JOB, leave
from credits.desk.desk import Desk
from credits.interactions import DONE_JOB, interaction_of, work_on
from workers.delivery import Handler


def handlers(desk: Desk) -> dict[str, Handler]:
    """Who does which job."""

    async def done(payload: Mapping[str, Any]) -> None:
        await work_on(desk, interaction_of(payload))

    async def removed(payload: Mapping[str, Any]) -> None:
        await tell_removed(desk.messenger, payload)

    async def linked(payload: Mapping[str, Any]) -> None:
        await tell_linked(desk.messenger, payload)

    async def left(payload: Mapping[str, Any]) -> None:
        await leave(desk.messenger.workspaces, desk.messenger.chat, payload)

    return {DONE_JOB: done, REMOVED_JOB: removed, LINKED_JOB: linked, LEAVE_JOB: left}
