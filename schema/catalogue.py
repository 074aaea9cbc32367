"""Prices and what is for sale: packages and staging types."""

from decimal import Decimal
from typing import Self

import strawberry

from credits import money
from credits.catalogue import service as catalogue
from credits.catalogue.rules import PackageView
from credits.catalogue.service import StagingTypeView
from schema.scalars import Long


@strawberry.type(description="An amount in the currency's smallest unit: 19900 USD is $199.00.")
class Money:
    amount_minor: Long
    currency: str
    formatted: str

    @classmethod
    def of(cls, amount: money.Money) -> Self:
        """From the domain's."""
        return cls(amount_minor=Long(amount.amount_minor), currency=amount.currency, formatted=amount.formatted)


@strawberry.type(
    description="The price of one credit in the currency's smallest unit, rounded to 6 decimals: "
    "500 credits for $899.00 make 179.8 USD, formatted $1.798."
)
class UnitPrice:
    amount_minor: Decimal
    currency: str
    formatted: str

    @classmethod
    def of(cls, total: money.Money, credits_count: int) -> Self:
        """What one of that many credits costs when all cost `total`."""
        price = money.UnitPrice.of(total, credits_count)
        return cls(amount_minor=price.amount_minor, currency=price.currency, formatted=price.formatted)


@strawberry.type(description="A kind of staging job and what one of it costs.")
class StagingType:
    code: str
    name: str
    credits: int
    active: bool

    @classmethod
    def of(cls, view: StagingTypeView) -> Self:
        """From the domain's."""
        return cls(code=view.code, name=view.name, credits=view.credits, active=view.active)


@strawberry.type(description="A lower price each, from a quantity on.")
class PriceTier:
    minimum_quantity: int
    price: Money


@strawberry.type(description="Credits for sale.")
class Package:
    code: str
    name: str
    credits: int | None = strawberry.field(description="Null for a package with a custom price.")
    price: Money | None
    unit_price: UnitPrice | None
    minimum_credits: int | None
    custom_price: bool
    valid_for_days: int | None
    tiers: list[PriceTier] = strawberry.field(description="Lower prices for more of it, by quantity.")

    @classmethod
    def of(cls, view: PackageView) -> Self:
        """From the domain's."""
        return cls(
            code=view.code,
            name=view.name,
            credits=view.credits,
            price=Money.of(view.price) if view.price else None,
            unit_price=UnitPrice.of(view.price, view.credits) if view.price and view.credits else None,
            minimum_credits=view.minimum_credits,
            custom_price=view.price is None,
            valid_for_days=view.valid_for_days,
            tiers=[
                PriceTier(minimum_quantity=tier.minimum_quantity, price=Money.of(tier.price)) for tier in view.tiers
            ],
        )


@strawberry.type
class CatalogueQuery:
    @strawberry.field(description="What is for sale. Needs no token.")
    async def packages(self) -> list[Package] | None:
        return [Package.of(view) for view in await catalogue.packages()]

    @strawberry.field(description="What staging costs. Needs no token.")
    async def staging_types(self) -> list[StagingType] | None:
        return [StagingType.of(view) for view in await catalogue.staging_types()]
