"""When a wallet is worth a message: once when its balance falls below the threshold, when its credits will soon be used
up, and when some of them lapse soon; again only after it has recovered.

Pure. What was so already when the alert was set stays quiet until it has once been otherwise (but for what lapses: each
day on which credits do is told once). A low balance keeps the other two quiet, and a short runway what lapses.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction

DEFAULT_THRESHOLD = 20
MAX_THRESHOLD = 1_000_000_000
MAX_DAYS_AHEAD = 365


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


class WarningKind(StrEnum):
    """RUNWAY: the credits are used up in fewer days than were set. EXPIRY: some of them lapse within so many days."""

    RUNWAY = "RUNWAY"
    EXPIRY = "EXPIRY"


class Outcome(StrEnum):
    """How a warning ended. LAPSED: what it warned of has happened. CHANGED: by other settings. SNOOZED: if it is so
    still when the snooze ends, it is told anew. WITHDRAWN: before it was told, by a low balance."""

    RECOVERED = "RECOVERED"
    LAPSED = "LAPSED"
    CHANGED = "CHANGED"
    SNOOZED = "SNOOZED"
    WITHDRAWN = "WITHDRAWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be warned of, in days; None: not of that. An alert that is switched off wants nothing."""

    runway_days: int | None = None
    expiry_days: int | None = None

    @property
    def recovery_days(self) -> int | None:
        """A short runway is over from here on: the days that were set plus the larger of 1 and a tenth of them."""
        return None if self.runway_days is None else self.runway_days + max(1, self.runway_days // 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapsing:
    """Credits that lapse on one local day, between two instants of it: what of them can be spent now, all that is left
    of them (held and frozen ones too), and how many lapse unused at the present pace."""

    on: date
    first_at: datetime
    last_at: datetime
    available: int
    left: int
    unused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A wallet at an instant, and ahead of it: credits used a day, in how many days none is left (None: not by being
    used) and on which local day that is, and what lapses, soonest first."""

    now: datetime
    available: int
    daily_use: Fraction
    days_left: Fraction | None
    empty_on: date | None
    lapsing: Sequence[Lapsing] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """A warning that has not ended. EXPIRY names the day on which credits lapse, and the last instant of it. One that
    is `quiet` was so already when it was set: nobody was told."""

    id: int
    kind: WarningKind
    lapses_on: date | None = None
    lapses_at: datetime | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """A warning that is to begin; `lapsing` is what an EXPIRY is about."""

    kind: WarningKind
    lapsing: Lapsing | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """Which warnings end, how, and which begin."""

    ended: Sequence[tuple[Warned, Outcome]] = ()
    begun: Sequence[Begun] = ()

    def __bool__(self) -> bool:
        return bool(self.ended or self.begun)


def after_look(wanted: Wanted, outlook: Outlook, warned: Sequence[Warned], *, masked: bool) -> Step:
    """What is to be told of a wallet as it stands, given what was told and has not ended. `masked`: a low balance has
    been told, or the alert is snoozed; then nothing begins."""
    ended = [(each, outcome) for each in warned if (outcome := _over(each, wanted, outlook))]
    if masked:
        return Step(ended)
    still = [each for each in warned if all(each is not over for over, _ in ended)]
    runway = next((each for each in still if each.kind is WarningKind.RUNWAY), None)
    if runway is None and _short(wanted, outlook):
        return Step(ended, [Begun(WarningKind.RUNWAY)])
    if runway is not None and not runway.quiet:
        return Step(ended)
    told = {each.lapses_on for each in still}
    return Step(ended, [Begun(WarningKind.EXPIRY, each) for each in _soon(wanted, outlook) if each.on not in told])


def after_other_settings(before: Wanted, wanted: Wanted, outlook: Outlook, warned: Sequence[Warned]) -> Step:
    """With other settings: what was told and would not have been ends as CHANGED, and a runway that is short by them
    already begins quietly. What lapses is left to the next look."""
    ended = [(each, Outcome.CHANGED) for each in warned if _over(each, wanted, outlook)]
    kept = {each.kind for each in warned} - {each.kind for each, _ in ended}
    if wanted.runway_days != before.runway_days and WarningKind.RUNWAY not in kept and _short(wanted, outlook):
        return Step(ended, [Begun(WarningKind.RUNWAY, quiet=True)])
    return Step(ended)


def next_look(wanted: Wanted, outlook: Outlook, *, morning: datetime, snoozed_until: datetime | None) -> datetime:
    """When to look again even if nothing is posted: as soon as more lapses within the days that were set, when a snooze
    ends, and each morning, since the pace is another every day."""
    ahead = [each.first_at - timedelta(days=wanted.expiry_days) for each in outlook.lapsing if wanted.expiry_days]
    ahead += [snoozed_until] if snoozed_until else []
    return min([morning, *(at for at in ahead if at > outlook.now)])


def _short(wanted: Wanted, outlook: Outlook) -> bool:
    return wanted.runway_days is not None and outlook.days_left is not None and outlook.days_left < wanted.runway_days


def _soon(wanted: Wanted, outlook: Outlook) -> list[Lapsing]:
    if wanted.expiry_days is None:
        return []
    until = outlook.now + timedelta(days=wanted.expiry_days)
    return [each for each in outlook.lapsing if each.first_at <= until and each.available]


def _over(warned: Warned, wanted: Wanted, outlook: Outlook) -> Outcome | None:
    if warned.kind is WarningKind.RUNWAY:
        enough = wanted.recovery_days
        if enough is None:
            return Outcome.CHANGED
        return Outcome.RECOVERED if outlook.days_left is None or outlook.days_left >= enough else None
    if warned.lapses_at is not None and warned.lapses_at <= outlook.now:
        return Outcome.LAPSED
    if wanted.expiry_days is None:
        return Outcome.CHANGED
    left = any(each.on == warned.lapses_on and each.left for each in outlook.lapsing)
    return None if left else Outcome.RECOVERED
