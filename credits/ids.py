"""Opaque ids: a prefix that tells the kind, and 26 characters that sort by time.

`wal_01k9...` is a UUIDv7 (RFC 9562) in Crockford's base 32, lower case. The prefix lets a reader, a log and
`node(id)` see at once what an id names; the order lets an index append instead of scatter.
"""

import functools
import re
from enum import StrEnum

from uuid_utils import uuid7

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
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


def _written(kind: Kind, number: int) -> str:
    return f"{kind}_" + "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


class Series:
    """Ids that follow from one: the same again for whoever asks again, so that what is decided twice is named alike.

    They sort after the first one, and before whatever is made a millisecond later.
    """

    def __init__(self, first: str) -> None:
        self._first = functools.reduce(lambda number, sign: number << 5 | _VALUES[sign], first.rpartition("_")[2], 0)
        self._made = 0

    def next(self, kind: Kind) -> str:
        """The next id, of this kind."""
        self._made += 1
        return _written(kind, self._first + self._made)


def kind_of(text: str) -> Kind | None:
    """The kind that a well-formed id names, or None for anything else."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        return None
    try:
        return Kind(match[1])
    except ValueError:
        return None
