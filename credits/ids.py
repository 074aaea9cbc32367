"""Opaque ids: a prefix that tells the kind, and 26 characters that sort by time.

`wal_01k9...` is a UUIDv7 (RFC 9562) in Crockford's base 32, lower case. The prefix lets a reader, a log and
`node(id)` see at once what an id names; the order lets an index append instead of scatter.
"""

import functools
import re
from datetime import datetime
from enum import StrEnum

from uuid_utils import uuid7

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
# Two signs at once: ids are made for every line of a ledger.
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_VALUES = {sign: value for value, sign in enumerate(_ALPHABET)}
_SHAPE = re.compile(rf"([a-z]{{3,4}})_[{_ALPHABET}]{{26}}")


class Kind(StrEnum):
    """The prefix of each kind of id."""

    ACCOUNT = "acct"
    POOL = "pool"
    DEPARTMENT = "dept"
    USER = "usr"
    API_KEY = "key"
    WALLET = "wal"
    LOT = "lot"
    TRANSACTION = "txn"
    TRANSFER = "trf"
    HOLD = "hold"
    HOLD_ITEM = "item"
    HOLD_STEP = "step"
    CLAWBACK = "clw"
    PURCHASE = "pur"
    PAYMENT_REFUND = "rfd"
    QUARANTINED_PAYMENT = "qua"
    QUOTE_REQUEST = "quo"
    TOP_UP_ATTEMPT = "top"
    MEMBERSHIP = "mem"
    AUDIT_ENTRY = "aud"
    ALLOCATION_REQUEST = "alr"
    APPROVAL = "apr"
    APPROVAL_POLICY = "pol"
    OUTBOX_MESSAGE = "obx"
    CHAT_MESSAGE = "msg"


def make_id(kind: Kind) -> str:
    """A new id of this kind; ids made later in one process sort after it."""
    return _written(kind, uuid7().int)


def id_at(kind: Kind, at: datetime, noise: int) -> str:
    """The id of something that was made at that instant; 74 bits of `noise` tell those of one millisecond apart."""
    milliseconds = int(at.timestamp() * 1000)
    number = milliseconds << 80 | 7 << 76 | (noise >> 62 & 0xFFF) << 64 | 2 << 62 | noise & (1 << 62) - 1
    return _written(kind, number)


def _written(kind: Kind, number: int) -> str:
    return f"{kind}_" + "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])


class Series:
    """Ids that follow from one: the same again for whoever asks again, so that what is decided twice is named alike.

    They sort after the first one, and before whatever is made a millisecond later.
    """

    def __init__(self, first: str) -> None:
        self._first = first
        self._made = 0

    def next(self, kind: Kind) -> str:
        """The next id, of this kind."""
        self._made += 1
        return _written(kind, self._number + self._made)

    @functools.cached_property
    def _number(self) -> int:
        # Read when it is wanted: most commands make nothing that has to be named.
        return functools.reduce(lambda number, sign: number << 5 | _VALUES[sign], self._first.rpartition("_")[2], 0)


def kind_of(text: str) -> Kind | None:
    """The kind that a well-formed id names, or None for anything else."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        return None
    try:
        return Kind(match[1])
    except ValueError:
        return None
