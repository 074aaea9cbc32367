"""What is drawn: papers and charts, each as a function to be called in a thread.

What draws takes 30 MiB and half a second to load, so it is loaded with the first that is drawn, and in its thread: a
process that never draws has neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from credits.reports.entries import Entry
from credits.reports.months import Statement
from credits.reports.statements import Owner
from credits.reports.use import Used

# Longer lists are for machines, and in the CSV.
MOST_ENTRIES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """All that stands on a statement on paper."""

    owner: Owner
    statement: Statement
    by_staging_type: Sequence[Used]
    by_department: Sequence[Used]
    entries: Sequence[Entry]


def paper_as_pdf(paper: Paper) -> bytes:
    """The statement as a PDF."""
    from app.exports.pdf import pdf

    return pdf(paper)


def chart_as_png(name: str, month: date, used: Sequence[int]) -> bytes:
    """The use of each day of a month as a picture."""
    from app.exports.chart import chart

    return chart(name, month, used)
