"""The picture on a card about a month: what was used on each day, as bars. Drawn large and made smaller, so that edges
are smooth.
"""

import io
from collections.abc import Sequence
from datetime import date

from PIL import Image, ImageDraw, ImageFont

from app.exports.look import ACCENT, BOLD, INK, LINE, REGULAR, SOFT, drawable
from credits.reports.months import named

_SIZE = (1200, 480)
_LEFT, _TOP, _RIGHT, _BOTTOM = 90, 110, 30, 60
_FINER = 2
_STEPS = (1, 2, 5)
_GRID_LINES = 4
_LONGEST_NAME = 40


def chart(name: str, month: date, used: Sequence[int]) -> bytes:
    """A PNG of the credits used on each day of the month."""
    picture = Image.new("RGB", (_SIZE[0] * _FINER, _SIZE[1] * _FINER), (255, 255, 255))
    draw = ImageDraw.Draw(picture)
    shown = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
    _write(draw, (_LEFT, 24), drawable(f"{shown}: credits used in {named(month)}"), size=30, bold=True)
    _write(draw, (_LEFT, 64), f"{sum(used):,} in all", size=22, colour=SOFT)
    top = _scale(max(used, default=0))
    _grid(draw, top)
    _bars(draw, used, top)
    small = picture.resize(_SIZE, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, "PNG", optimize=True)
    return file.getvalue()


def _scale(most: int) -> int:
    """The round number at the top: the smallest of 1, 2, 5, 10, … times the number of lines that nothing exceeds."""
    step = 1
    while True:
        for factor in _STEPS:
            if factor * step * _GRID_LINES >= most:
                return factor * step * _GRID_LINES
        step *= 10


def _grid(draw: ImageDraw.ImageDraw, top: int) -> None:
    for number in range(_GRID_LINES + 1):
        y = _SIZE[1] - _BOTTOM - number * (_SIZE[1] - _TOP - _BOTTOM) // _GRID_LINES
        draw.line(_finer(_LEFT, y, _SIZE[0] - _RIGHT, y), fill=LINE, width=_FINER)
        _write(draw, (_LEFT - 12, y), _short(top * number // _GRID_LINES), size=18, colour=SOFT, anchor="rm")


def _short(number: int) -> str:
    """A round number in few signs."""
    for unit, sign in ((1_000_000, "M"), (1_000, "k")):
        if number >= 10 * unit:
            return f"{number / unit:g}{sign}"
    return f"{number:,}"


def _bars(draw: ImageDraw.ImageDraw, used: Sequence[int], top: int) -> None:
    room, height = (_SIZE[0] - _LEFT - _RIGHT) / len(used), _SIZE[1] - _TOP - _BOTTOM
    floor = _SIZE[1] - _BOTTOM
    for number, credits_ in enumerate(used):
        left, right = _LEFT + room * (number + 0.16), _LEFT + room * (number + 0.84)
        if credits_:
            # A day on which little was used still shows.
            high = max(height * credits_ / top, 3)
            draw.rounded_rectangle(
                _finer(left, floor - high, right, floor),
                radius=4 * _FINER,
                fill=ACCENT,
                corners=(True, True, False, False),
            )
        _write(draw, ((left + right) / 2, floor + 22), str(number + 1), size=17, colour=SOFT, anchor="mm")


def _finer(*places: float) -> tuple[float, ...]:
    return tuple(place * _FINER for place in places)


def _write(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    *,
    size: int,
    bold: bool = False,
    colour: tuple[int, int, int] = INK,
    anchor: str = "la",
) -> None:
    font = ImageFont.truetype(BOLD if bold else REGULAR, size * _FINER)
    draw.text((at[0] * _FINER, at[1] * _FINER), text, font=font, fill=colour, anchor=anchor)
