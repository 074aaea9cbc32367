"""Reads of API keys."""

from collections.abc import Iterable

from credits.access.models import ApiKey


async def names(ids: Iterable[str]) -> dict[str, str]:
    """What the keys with these ids are called."""
    return {row.id: row.name for row in await ApiKey.filter(id__in=list(ids)).only("id", "name")}
