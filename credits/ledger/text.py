"""The free text of a transaction: what it may be, and the salted digest that stands for it in the chain.

The text lies in a row of its own, so that it can be erased without breaking the chain; the salt keeps the digest
from betraying a text that could be guessed.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from credits.errors import Refusal, RefusalCode
from credits.text import clean

MAX_METADATA = 20
MAX_METADATA_KEY = 40
SALT_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Reference, description and metadata as people gave them, normalized."""

    salt: bytes
    reference: str | None
    description: str | None
    metadata: tuple[tuple[str, str], ...] | None

    def digest(self) -> bytes:
        """SHA-256 over the salt and the length-prefixed parts; metadata in the order of its keys' code points."""
        parts = [self.salt.hex(), self.reference, self.description]
        parts += [None] if self.metadata is None else [part for pair in sorted(self.metadata) for part in pair]
        return hashlib.sha256(length_prefixed(parts).encode()).digest()


def length_prefixed(parts: list[str | None]) -> str:
    """The parts one after the other, each behind its length in bytes, so that no two lists look alike; `-` is none."""
    return "".join(
        ["-" if part is None else f"{len(part) if part.isascii() else len(part.encode())}:{part}" for part in parts]
    )


def clean_metadata(value: Mapping[str, str] | None) -> tuple[tuple[str, str], ...] | None:
    """A flat object of at most 20 values of at most 500 characters, keys of 1 to 40, or a refusal."""
    if value is None:
        return None
    if len(value) > MAX_METADATA:
        raise Refusal(RefusalCode.INVALID, f"At most {MAX_METADATA} entries; this has {len(value)}.", field="metadata")
    pairs = []
    for key, entry in value.items():
        name = clean(key, field="metadata", limit=MAX_METADATA_KEY)
        text = clean(entry, field="metadata", lines=True)
        if not name or text is None:
            raise Refusal(RefusalCode.INVALID, "Each entry has a key of 1 to 40 characters.", field="metadata")
        pairs.append((name, text))
    if len(dict(pairs)) != len(pairs):
        raise Refusal(RefusalCode.INVALID, "Two keys are written alike. Give each entry its own.", field="metadata")
    return tuple(sorted(pairs))
