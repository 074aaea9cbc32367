"""Every way in which the domain says no.

    CreditsError
    ├── Refusal           a rule of the business: the caller reads `code`, shows the message, marks `field`
    ├── BadInput          an argument that can never be right, with the argument's name
    ├── NotFound          there is no such thing, or the caller may not know of it; the two are word for word alike
    ├── Forbidden         the caller sees the thing, but may not do this with it
    ├── Unauthenticated   nobody knows who is asking
    └── Unavailable       a part underneath did not answer; the same call may be sent again

None of them knows a status code or GraphQL; `schema/errors.py` is the one place that translates.
"""

from enum import StrEnum


class RefusalCode(StrEnum):
    """What a rule of the business can answer; the public API has the same names."""

    INVALID = "INVALID"
    INSUFFICIENT_CREDITS = "INSUFFICIENT_CREDITS"
    IN_DEBT = "IN_DEBT"
    ACCOUNT_SUSPENDED = "ACCOUNT_SUSPENDED"
    BALANCE_LIMIT_EXCEEDED = "BALANCE_LIMIT_EXCEEDED"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    UNKNOWN_STAGING_TYPE = "UNKNOWN_STAGING_TYPE"
    UNKNOWN_PACKAGE = "UNKNOWN_PACKAGE"
    CUSTOM_PRICE_REQUIRED = "CUSTOM_PRICE_REQUIRED"
    BELOW_MINIMUM = "BELOW_MINIMUM"
    ALREADY_DECIDED = "ALREADY_DECIDED"
    SELF_APPROVAL = "SELF_APPROVAL"
    NOT_AN_APPROVER = "NOT_AN_APPROVER"
    APPROVAL_EXPIRED = "APPROVAL_EXPIRED"
    WRONG_STATE = "WRONG_STATE"
    HOLD_CAPTURED = "HOLD_CAPTURED"
    HOLD_RELEASED = "HOLD_RELEASED"
    HOLD_EXPIRED = "HOLD_EXPIRED"
    EXCEEDS_HOLD = "EXCEEDS_HOLD"
    ALREADY_REFUNDED = "ALREADY_REFUNDED"
    NAME_TAKEN = "NAME_TAKEN"
    NOT_EMPTY = "NOT_EMPTY"
    LAST_OWNER = "LAST_OWNER"
    PAYMENT_FAILED = "PAYMENT_FAILED"


class CreditsError(Exception):
    """The root; the message is for people and says what to do next."""


class Refusal(CreditsError):
    """A rule of the business said no, and nothing was changed."""

    def __init__(self, code: RefusalCode, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field


class BadInput(CreditsError):
    """The argument `field` can never be right; the message says what would be."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class NotFound(CreditsError):
    """No such thing for this caller."""

    def __init__(self) -> None:
        super().__init__("There is nothing with this id here. Check the id, and whose token or key is in use.")


class Forbidden(CreditsError):
    """The caller's role or key does not allow it."""

    def __init__(self, message: str = "Your role does not allow this. Ask an owner of the account.") -> None:
        super().__init__(message)


class Unauthenticated(CreditsError):
    """No token or key, or one that is not valid (any more)."""


class Unavailable(CreditsError):
    """The database or a gateway did not answer in time; what was asked may be sent again with the same key."""
