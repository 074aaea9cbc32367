"""What the ledger can be told to do. A command is complete: its id, salt and idempotency key come with it.

Its fields have been checked by whoever made it (`service.py`); what depends on the wallet's state is for the rules.
Whatever else a command makes (lots, the lines of a transfer) is named by the series that begins with its id.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from credits.actors import Actor
from credits.errors import Refusal, RefusalCode
from credits.idempotency import Key
from credits.ledger.models import TransactionKind
from credits.ledger.text import Text
from credits.ledger.wallet import MAX_OPERATION
from credits.money import Money

DEFAULT_PRIORITY = 50
MAX_BULK = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What every command has. `id` names what comes of it: a transaction, a transfer, a hold or a step of one."""

    id: str
    wallet_id: str
    actor: Actor
    key: Key | None = None
    text: Text | None = None

    @property
    def wallet_ids(self) -> tuple[str, ...]:
        """The wallets that have to be locked for it."""
        return (self.wallet_id,)

    @property
    def result_id(self) -> str:
        """What its idempotency key answers with later."""
        return self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Deduction(Command):
    """Spend on staging: `quantity` jobs of a type, priced by the catalogue when it is posted."""

    staging_type: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant(Command):
    """Credits given by an operator."""

    credits: int
    expires_at: datetime | None
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseCredit(Command):
    """Credits that were paid for. It carries no key: the payment's id is unique in the ledger for ever."""

    purchase_id: str
    payment_id: str
    credits: int
    paid: Money
    valid_for_days: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment(Command):
    """An operator's correction, either way."""

    change: int


class RefundReason(StrEnum):
    """Why a deduction is undone; only a render that failed saves credits whose lot has lapsed meanwhile."""

    RENDER_FAILED = "RENDER_FAILED"
    QUALITY = "QUALITY"
    DUPLICATE = "DUPLICATE"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund(Command):
    """Undo a deduction of the wallet; `credits` None: all that is left of it."""

    deduction_id: str
    credits: int | None
    reason: RefundReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(Command):
    """Move credits from the wallet to another of the account; `kind` says which way that is. With `up_to` as many as
    are available, at most so many."""

    to_wallet_id: str
    kind: TransactionKind
    credits: int
    up_to: bool = False

    @property
    def wallet_ids(self) -> tuple[str, ...]:
        """Where from and where to."""
        return (self.wallet_id, self.to_wallet_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Units of a staging type, to be promised."""

    staging_type: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceHold(Command):
    """Promise credits for work under way. Its reference and metadata go on to what is captured of it."""

    items: tuple[Wanted, ...]
    lasts: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Units of an item; `quantity` None: all that is open of it."""

    item_id: str
    quantity: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureHold(Command):
    """Spend what was promised: these parts, or all that is open. `salt` is for the text of its deductions."""

    hold_id: str
    parts: tuple[Part, ...] | None
    release_rest: bool
    salt: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseHold(Command):
    """Give back what was promised: these parts, or all that is open."""

    hold_id: str
    parts: tuple[Part, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendHold(Command):
    """Let a hold end so long from now."""

    hold_id: str
    lasts: timedelta

    @property
    def result_id(self) -> str:
        """The hold."""
        return self.hold_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep(Command):
    """Book what time has done to a wallet: holds that are over, lots that have lapsed; at most `limit` of each."""

    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutPayment(Command):
    """About the credits of a purchase, wherever in the account they lie by now; `wallet_id` is the wallet that was
    bought for. All wallets of the account are locked for it."""

    account_id: str
    purchase_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze(AboutPayment):
    """The payment is disputed: what is left of the purchase is kept from being spent. A purchase is frozen or it is
    not, however many disputes there are about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thaw(AboutPayment):
    """The payment is not disputed any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clawback(AboutPayment):
    """Take back credits whose payment was refunded or whose dispute was lost; `source_id`, that refund or dispute,
    takes once."""

    source_id: str
    credits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveBack(AboutPayment):
    """Undo so much of the purchase's clawbacks, because the money did not go back after all; `source_id` names what
    came to nothing, and gives back once."""

    source_id: str
    credits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """Deductions of one call, in order: each stands or falls alone, or with `atomic` all together."""

    commands: tuple[Command, ...]
    atomic: bool

    def __post_init__(self) -> None:
        keys = [command.key.identity for command in self.commands if command.key]
        if len(set(keys)) != len(keys):
            raise ValueError("one key stands for one command")


Unit = Command | Bulk


# What is decided by how much is available: before it, every hold whose time is over has to have ended.
NEEDS_ROOM = (Deduction, PlaceHold, Transfer, Adjustment, Clawback)


def commands_of(unit: Unit) -> tuple[Command, ...]:
    """What is to be done, one after the other."""
    return unit.commands if isinstance(unit, Bulk) else (unit,)


def check_amount(value: int, *, field: str) -> int:
    """One operation moves 1 to 1,000,000,000 credits; anything else is refused before any effect."""
    if not 1 <= value <= MAX_OPERATION:
        raise Refusal(RefusalCode.INVALID, f"Between 1 and {MAX_OPERATION:,}; this is {value:,}.", field=field)
    return value
