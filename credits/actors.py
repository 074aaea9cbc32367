"""Who does something: a person, an integrator's key, the platform's own service, or the system by itself."""

from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    """The kinds of those who act."""

    USER = "USER"
    API_KEY = "API_KEY"
    SERVICE = "SERVICE"
    SYSTEM = "SYSTEM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who did it, as the ledger keeps it; `on_behalf_of` is the id of the person a key or service acted for."""

    kind: ActorKind
    id: str
    on_behalf_of: str | None = None

    @property
    def person_id(self) -> str:
        """Whose use it counts as: who was acted for, else who did it."""
        return self.on_behalf_of or self.id


SYSTEM = Actor(kind=ActorKind.SYSTEM, id="system")
