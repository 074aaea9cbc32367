"""A statement on paper: whose it is, the month's figures, what was used, and every transaction as far as there is room.

Drawing takes a second of the processor: call it in a thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from app.exports.drawing import Paper
from app.exports.look import ACCENT, BOLD, GROUND, INK, KINDS, LINE, REGULAR, SOFT, Colour, drawable
from credits.ledger.models import OwnerKind
from credits.reports.entries import Entry
from credits.reports.messages import signed
from credits.reports.months import Statement, last_day, named
from credits.reports.statements import Owner
from credits.reports.use import Used

_MARGIN = 18.0
_WIDTH = 210 - 2 * _MARGIN
_FONT = "noto"
_OWNERS = {OwnerKind.ACCOUNT: "Account", OwnerKind.POOL: "Pool", OwnerKind.DEPARTMENT: "Department"}
Align = Literal["L", "R"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; `share` of its width."""

    head: str
    share: float
    align: Align = "L"


def pdf(paper: Paper) -> bytes:
    """The statement as a PDF."""
    sheet = _Sheet(paper)
    sheet.add_page()
    _heading(sheet, paper)
    _figures(sheet, paper.statement)
    _movements(sheet, paper.statement)
    _use(sheet, "Use by staging type", "Staging type", paper.by_staging_type)
    _use(sheet, "Use by department", "Department", paper.by_department)
    _transactions(sheet, paper)
    return bytes(sheet.output())


class _Sheet(FPDF):
    """The pages, with what stands at the foot of each and, while a table runs, its head at the top."""

    def __init__(self, paper: Paper) -> None:
        super().__init__(format="A4")
        self.add_font(_FONT, "", REGULAR)
        self.add_font(_FONT, "B", BOLD)
        self.set_margin(_MARGIN)
        self.set_auto_page_break(auto=True, margin=22)
        owner = paper.owner
        self._foot = drawable(f"{owner.account} · {owner.name} · {named(paper.statement.month)}")
        self.set_title(f"Statement of {named(paper.statement.month)}: {owner.name}")
        self.set_lang("en")
        self.set_creation_date(owner.now)

    def footer(self) -> None:
        self.set_y(-16)
        self.rule()
        self.set_y(-13)
        self.ink(SOFT, 8)
        self.cell(_WIDTH * 0.8, 5, self.fitting(self._foot, _WIDTH * 0.8))
        self.cell(_WIDTH * 0.2, 5, f"Page {self.page_no()} of {{nb}}", align="R")

    def ink(self, colour: Colour, size: float, *, bold: bool = False) -> None:
        """Write so from here on."""
        self.set_font(_FONT, "B" if bold else "", size)
        self.set_text_color(*colour)

    def rule(self) -> None:
        """A fine line across the page."""
        self.set_draw_color(*LINE)
        self.set_line_width(0.2)
        self.line(_MARGIN, self.get_y(), _MARGIN + _WIDTH, self.get_y())

    def down(self, text: str, height: float) -> None:
        """A line of text, and on to the next."""
        self.cell(_WIDTH, height, self.fitting(text, _WIDTH), new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def fitting(self, text: str, width: float) -> str:
        """As much of the text as has room, ended by an ellipsis where that is not all."""
        room = width - 2 * self.c_margin
        if self.get_string_width(text) <= room:
            return text
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.get_string_width(f"{text[:middle]}…") <= room else (low, middle - 1)
        return f"{text[:low].rstrip()}…"

    def needs(self, height: float) -> bool:
        """Begin another page where so much has no room on this one; whether one was begun."""
        if self.will_page_break(height):
            self.add_page()
            return True
        return False


def _heading(sheet: _Sheet, paper: Paper) -> None:
    owner, statement = paper.owner, paper.statement
    sheet.set_fill_color(*ACCENT)
    sheet.rect(0, 0, 210, 4, style="F")
    sheet.ink(SOFT, 9)
    sheet.down("Statement of credits", 5)
    sheet.ink(INK, 22, bold=True)
    sheet.down(named(statement.month), 12)
    sheet.ln(1)
    sheet.ink(INK, 12, bold=True)
    sheet.down(drawable(owner.name), 6)
    sheet.ink(SOFT, 9)
    if owner.kind is not OwnerKind.ACCOUNT:
        within = f"{owner.pool} · {owner.account}" if owner.pool else owner.account
        sheet.down(drawable(f"{_OWNERS[owner.kind]} of {within}"), 5)
    zone = owner.zones.at(statement.closed_at or owner.now)
    days = f"{statement.month.day} to {last_day(statement.month).day} {named(statement.month)}"
    sheet.down(f"{days}, days of {zone.key} · Wallet {statement.wallet_id}", 5)
    sheet.down(_state(statement, owner), 5)
    sheet.ln(4)


def _state(statement: Statement, owner: Owner) -> str:
    at: datetime = statement.closed_at or owner.now
    told = f"{at.astimezone(owner.zones.at(at)):%Y-%m-%d %H:%M}"
    return f"Closed on {told}; it does not change any more." if statement.closed else f"Not closed yet; as of {told}."


def _figures(sheet: _Sheet, statement: Statement) -> None:
    came = sum(each.credits for each in statement.movements if each.credits > 0)
    went = sum(each.credits for each in statement.movements if each.credits < 0)
    boxes = (
        ("Opening", f"{statement.opening:,}"),
        ("In", signed(came)),
        ("Out", signed(went)),
        ("Closing" if statement.closed else "So far", f"{statement.closing:,}"),
    )
    gap, top = 4.0, sheet.get_y()
    width = (_WIDTH - 3 * gap) / 4
    for number, (label, value) in enumerate(boxes):
        left, last = _MARGIN + number * (width + gap), number == 3
        sheet.set_fill_color(*(ACCENT if last else GROUND))
        sheet.rect(left, top, width, 20, style="F", round_corners=True, corner_radius=2)
        sheet.set_xy(left + 2, top + 3)
        sheet.ink((255, 255, 255) if last else SOFT, 9)
        sheet.cell(width - 4, 5, label)
        sheet.set_xy(left + 2, top + 9)
        sheet.ink((255, 255, 255) if last else INK, 15, bold=True)
        sheet.cell(width - 4, 8, sheet.fitting(value, width - 4))
    sheet.set_xy(_MARGIN, top + 27)


def _movements(sheet: _Sheet, statement: Statement) -> None:
    columns = (Column("Movements", 0.5), Column("Transactions", 0.25, "R"), Column("Credits", 0.25, "R"))
    rows = [(KINDS[each.kind], f"{each.count:,}", signed(each.credits)) for each in statement.movements]
    total = ("All", f"{statement.count:,}", signed(statement.closing - statement.opening))
    _table(sheet, columns, rows, total=total, none="Nothing moved in this month.")


def _use(sheet: _Sheet, title: str, what: str, used: Sequence[Used]) -> None:
    if not used:
        return
    columns = (
        Column(what, 0.4),
        Column("Jobs", 0.15, "R"),
        Column("Used", 0.15, "R"),
        Column("Refunded", 0.15, "R"),
        Column("Net", 0.15, "R"),
    )
    rows = [_used(each.label, each.operations, each.used, each.refunded) for each in used]
    all_of_it = _used(
        "All",
        sum(each.operations for each in used),
        sum(each.used for each in used),
        sum(each.refunded for each in used),
    )
    _title(sheet, title)
    _table(sheet, columns, rows, total=all_of_it)


def _used(label: str, operations: int, used: int, refunded: int) -> tuple[str, ...]:
    return label, f"{operations:,}", f"{used:,}", f"{refunded:,}", f"{used - refunded:,}"


def _transactions(sheet: _Sheet, paper: Paper) -> None:
    statement = paper.statement
    if not paper.entries:
        return
    columns = (
        Column("Date", 0.15),
        Column("What", 0.24),
        Column("Reference", 0.23),
        Column("By", 0.18),
        Column("Credits", 0.1, "R"),
        Column("Balance", 0.1, "R"),
    )
    _title(sheet, "Transactions")
    _table(sheet, columns, [_entry(paper.owner, each) for each in paper.entries], size=7.5, height=5.2)
    left_out = statement.count - len(paper.entries)
    if left_out > 0:
        sheet.ink(SOFT, 9)
        sheet.down(f"And {left_out:,} more: the statement as CSV has them all.", 6)


def _entry(owner: Owner, entry: Entry) -> tuple[str, ...]:
    what = KINDS[entry.kind].removesuffix("s")
    if entry.staging_type:
        what = entry.staging_type + (
            f" \N{MULTIPLICATION SIGN} {entry.quantity:,}" if (entry.quantity or 1) > 1 else ""
        )
    return (
        f"{entry.at.astimezone(owner.zones.at(entry.at)):%Y-%m-%d %H:%M}",
        what,
        entry.reference or entry.description or "",
        entry.on_behalf_of or entry.by,
        signed(entry.credits),
        f"{entry.balance_after:,}",
    )


def _title(sheet: _Sheet, title: str) -> None:
    # Never alone at the foot of a page.
    if not sheet.needs(28):
        sheet.ln(5)
    sheet.ink(INK, 11, bold=True)
    sheet.down(title, 7)


def _table(
    sheet: _Sheet,
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    *,
    total: Sequence[str] | None = None,
    none: str = "",
    size: float = 9,
    height: float = 6.2,
) -> None:
    _head(sheet, columns, size, height)
    if not rows and none:
        sheet.ink(SOFT, size)
        sheet.down(none, height)
    for row in rows:
        if sheet.needs(height):
            _head(sheet, columns, size, height)
        sheet.ink(INK, size)
        _cells(sheet, columns, row, height)
        sheet.rule()
    if total and rows:
        sheet.needs(height)
        sheet.ink(INK, size, bold=True)
        _cells(sheet, columns, total, height)


def _head(sheet: _Sheet, columns: Sequence[Column], size: float, height: float) -> None:
    sheet.ink(SOFT, size - 0.5, bold=True)
    sheet.set_fill_color(*GROUND)
    _cells(sheet, columns, [column.head for column in columns], height, fill=True)


def _cells(sheet: _Sheet, columns: Sequence[Column], row: Sequence[str], height: float, *, fill: bool = False) -> None:
    for column, text in zip(columns, row, strict=True):
        width = _WIDTH * column.share
        sheet.cell(width, height, sheet.fitting(drawable(text), width), align=column.align, fill=fill)
    sheet.ln(height)
