"""Reports: what was used, and how long what there is will last."""

from datetime import date
from typing import Annotated, Self

import strawberry

from credits.reports import forecast, usage
from credits.reports.rules import UsageGroup
from schema.scalars import Long

strawberry.enum(UsageGroup)

From = Annotated[date, strawberry.argument(name="from", description="The first day, in the account's time zone.")]
To = Annotated[date, strawberry.argument(description="The last day; at most 5 years in all.")]
_AMOUNTS = {
    "credits": "Deducted.",
    "refunded": "Given back of deductions.",
    "operations": "Jobs deducted for.",
}


@strawberry.type(
    description="`key` is the date (of weeks the Monday, of months the first), the staging type's code, or the "
    "department's or actor's id; under DEPARTMENT what a pool or the account itself used has the pool's or the "
    "account's. An actor is the person acted for, where there is one."
)
class UsageRow:
    key: str
    label: str
    credits: Long = strawberry.field(description=_AMOUNTS["credits"])
    refunded: Long = strawberry.field(description=_AMOUNTS["refunded"])
    operations: int = strawberry.field(description=_AMOUNTS["operations"])

    @classmethod
    def of(cls, row: usage.UsageRow) -> Self:
        """From the domain's."""
        return cls(
            key=row.key,
            label=row.label,
            credits=Long(row.credits),
            refunded=Long(row.refunded),
            operations=row.operations,
        )


@strawberry.type(
    description="`credits` is what was deducted, `refunded` what of it came back; both by the day on which it was "
    "booked. What nothing was used of or on has no row. Days, weeks and months come in the order of time, all else by "
    "credits, most first."
)
class UsageReport:
    from_: date = strawberry.field(name="from")
    to: date
    credits: Long = strawberry.field(description=_AMOUNTS["credits"])
    refunded: Long = strawberry.field(description=_AMOUNTS["refunded"])
    operations: int = strawberry.field(description=_AMOUNTS["operations"])
    rows: list[UsageRow]

    @classmethod
    def of(cls, report: usage.UsageReport) -> Self:
        """From the domain's."""
        return cls(
            from_=report.period.start,
            to=report.period.end,
            credits=Long(report.credits),
            refunded=Long(report.refunded),
            operations=report.operations,
            rows=[UsageRow.of(row) for row in report.rows],
        )


@strawberry.type(description="From the last 30 days' use.")
class Forecast:
    daily_use: float = strawberry.field(
        description="Credits a day, refunds taken off: the mean of the last 30 days before today, of a younger wallet "
        "of the days that there were."
    )
    empty_on: date | None = strawberry.field(
        description="When nothing is available any more at that rate; null when nothing is used, and more than 5 years "
        "ahead."
    )
    credits_at_risk: int = strawberry.field(description="What lapses before it would be used at that rate.")

    @classmethod
    def of(cls, found: forecast.Forecast) -> Self:
        """From the domain's."""
        return cls(daily_use=float(found.daily_use), empty_on=found.empty_on, credits_at_risk=found.at_risk)
