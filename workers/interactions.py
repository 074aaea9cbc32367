"""What people did in the chat: buttons pressed, forms submitted, commands typed."""

from collections.abc import Mapping
from typing import Any

from credits.desk.desk import Desk
from credits.interactions import DONE_JOB, interaction_of, work_on
from workers.delivery import Handler


def handlers(desk: Desk) -> dict[str, Handler]:
    """Who does which job."""

    async def done(payload: Mapping[str, Any]) -> None:
        await work_on(desk, interaction_of(payload))

    return {DONE_JOB: done}
