"""When a low balance is worth a message: once when it falls below the threshold, again only after it has recovered.

Pure. A wallet that was made below its threshold stays quiet until it has once been at or above it.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

DEFAULT_THRESHOLD = 20
MAX_THRESHOLD = 1_000_000_000


class AlertPhase(StrEnum):
    """NEW: never yet at or above the threshold. ARMED: at or above it. FIRED: told, and not recovered."""

    NEW = "NEW"
    ARMED = "ARMED"
    FIRED = "FIRED"


class AlertEvent(StrEnum):
    """What is to be told."""

    FIRED = "FIRED"
    RECOVERED = "RECOVERED"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertState:
    """A wallet's alert. `episode` is the wallet's version when it last fired, and names that time for good."""

    threshold: int = DEFAULT_THRESHOLD
    enabled: bool = True
    phase: AlertPhase = AlertPhase.NEW
    episode: int | None = None
    fired_at: datetime | None = None
    snoozed_until: datetime | None = None

    @property
    def recovery(self) -> int:
        """A fired alert is armed again from here on: the threshold plus the larger of 1 and a tenth of it."""
        return self.threshold + max(1, self.threshold // 10)

    def low(self, available: int) -> bool:
        """Below the threshold."""
        return available < self.threshold


def after_change(
    state: AlertState, *, available: int, version: int, at: datetime
) -> tuple[AlertState, AlertEvent | None]:
    """The alert after a commit that left so many credits available, and what is to be told of it."""
    if state.phase is AlertPhase.FIRED:
        if available < state.recovery:
            return state, None
        return replace(state, phase=AlertPhase.ARMED), AlertEvent.RECOVERED
    if not state.low(available):
        return replace(state, phase=AlertPhase.ARMED), None
    if state.phase is AlertPhase.NEW or not state.enabled:
        return replace(state, phase=AlertPhase.NEW), None
    return replace(state, phase=AlertPhase.FIRED, episode=version, fired_at=at), AlertEvent.FIRED


def after_settings(
    state: AlertState, *, threshold: int, enabled: bool, available: int
) -> tuple[AlertState, AlertEvent | None]:
    """The alert with other settings. A threshold that is moved above the balance fires nothing; an alert that had
    fired and would not have is told to have recovered."""
    changed = replace(state, threshold=threshold, enabled=enabled)
    fired = state.phase is AlertPhase.FIRED
    if fired and enabled and available < changed.recovery:
        return changed, None
    phase = AlertPhase.NEW if changed.low(available) else AlertPhase.ARMED
    return replace(changed, phase=phase), AlertEvent.RECOVERED if fired else None
