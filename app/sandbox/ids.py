"""Ids of what the sandbox's Stripe keeps: what it is, that it is of a test, and chance."""

import re
import secrets

# https://docs.stripe.com/metadata
METADATA_LENGTH = 500
_ID = re.compile("[a-z]{2,3}_test_[0-9a-f]{24,48}")


def make_id(prefix: str, *, size: int = 12) -> str:
    """A new id, of so many random bytes."""
    return f"{prefix}_test_{secrets.token_hex(size)}"


def is_id(text: str) -> bool:
    """Whether it can be one: what is too long, or holds a NUL, is an error to the database instead of unknown."""
    return bool(_ID.fullmatch(text))


def is_name(text: str) -> bool:
    """Likewise for an id that is not ours."""
    return 0 < len(text) <= METADATA_LENGTH and "\0" not in text
