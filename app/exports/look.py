"""What paper and pictures have in common: the colours, and a font that draws Latin, Greek and Cyrillic."""

from functools import cache
from pathlib import Path

from fontTools.ttLib import TTFont

from credits.ledger.models import TransactionKind

_FONTS = Path(__file__).with_name("fonts")
REGULAR, BOLD = _FONTS / "NotoSans-Regular.ttf", _FONTS / "NotoSans-Bold.ttf"

Colour = tuple[int, int, int]
INK: Colour = (28, 34, 46)
SOFT: Colour = (104, 113, 128)
LINE: Colour = (222, 226, 232)
GROUND: Colour = (245, 247, 250)
ACCENT: Colour = (47, 93, 170)

KINDS = {
    TransactionKind.PURCHASE: "Purchases",
    TransactionKind.GRANT: "Grants",
    TransactionKind.ALLOCATION: "Allocations",
    TransactionKind.RECLAIM: "Reclaims",
    TransactionKind.TRANSFER: "Transfers",
    TransactionKind.DEDUCTION: "Deductions",
    TransactionKind.REFUND: "Refunds",
    TransactionKind.EXPIRY: "Expired",
    TransactionKind.CLAWBACK: "Clawbacks",
    TransactionKind.ADJUSTMENT: "Adjustments",
}
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"


@cache
def _drawn() -> frozenset[int]:
    """The characters that both cuts of the font draw."""
    return _drawn_by(REGULAR) & _drawn_by(BOLD)


def _drawn_by(file: Path) -> frozenset[int]:
    with TTFont(file, lazy=True) as font:
        return frozenset(font.getBestCmap())


def drawable(text: str) -> str:
    """The text on one line, with a sign in place of each character that the font does not draw."""
    return "".join(sign if ord(sign) in _drawn() else _UNKNOWN for sign in " ".join(text.split()))
