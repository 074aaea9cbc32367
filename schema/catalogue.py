"""What is for sale and what staging costs: packages, staging types, and how operators set them."""

from datetime import datetime
from decimal import Decimal
from typing import Self

import strawberry

from credits import money
from credits.catalogue import rules
from credits.catalogue import service as catalogue
from credits.catalogue.rules import PackageView, StagingTypeView
from credits.errors import Forbidden
from schema.context import Info
from schema.errors import UserError, refusals_as
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
        return cls.as_agreed(money.UnitPrice.of(total, credits_count))

    @classmethod
    def as_agreed(cls, price: money.UnitPrice) -> Self:
        """From the domain's."""
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


@strawberry.type(description="What an account pays for a credit of a package with a custom price.")
class PriceAgreement:
    minimum_credits: int
    unit_price: UnitPrice
    valid_until: datetime | None = strawberry.field(description="From then on it has lapsed; null: until it is ended.")

    @classmethod
    def of(cls, agreement: rules.Agreement) -> Self:
        """From the domain's."""
        return cls(
            minimum_credits=agreement.minimum_credits,
            unit_price=UnitPrice.as_agreed(agreement.unit),
            valid_until=agreement.valid_until,
        )


@strawberry.type
class CatalogueQuery:
    @strawberry.field(description="What is for sale. Needs no token.")
    async def packages(self) -> list[Package] | None:
        return [Package.of(view) for view in await catalogue.packages()]

    @strawberry.field(description="What staging costs. Needs no token.")
    async def staging_types(self) -> list[StagingType] | None:
        return [StagingType.of(view) for view in await catalogue.staging_types()]


@strawberry.input
class PriceTierInput:
    minimum_quantity: int
    price_minor: Long


@strawberry.input
class SetPackageInput:
    code: str = strawberry.field(description="Capital letters, digits and underscores. A new code is a new package.")
    name: str
    credits: int | None = strawberry.field(
        default=None, description="With `priceMinor`; without both the price is agreed with each account."
    )
    price_minor: Long | None = None
    currency: str = "USD"
    minimum_credits: int | None = strawberry.field(
        default=None, description="Only, and always, where the price is agreed."
    )
    valid_for_days: int | None = None
    tiers: list[PriceTierInput] | None = strawberry.field(
        default=None, description="By rising quantity, from 2 on, with falling prices."
    )
    active: bool = True

    def view(self) -> PackageView:
        """As the domain knows it."""
        tiers = (
            rules.PriceTier(minimum_quantity=each.minimum_quantity, price=money.Money(each.price_minor, self.currency))
            for each in self.tiers or ()
        )
        return PackageView(
            code=self.code,
            name=self.name,
            credits=self.credits,
            price=None if self.price_minor is None else money.Money(self.price_minor, self.currency),
            currency=self.currency,
            minimum_credits=self.minimum_credits,
            valid_for_days=self.valid_for_days,
            tiers=tuple(tiers),
            active=self.active,
        )


@strawberry.type
class PackagePayload:
    package: Package | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.input
class SetStagingTypeInput:
    code: str = strawberry.field(description="Capital letters, digits and underscores. A new code is a new type.")
    name: str
    credits: int
    active: bool = True


@strawberry.type
class StagingTypePayload:
    staging_type: StagingType | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class CatalogueMutation:
    @strawberry.mutation(
        description="Sell a package like this from the next purchase on, or no longer. What is left out is taken away."
        " Operators only."
    )
    @refusals_as(PackagePayload)
    async def set_package(
        self,
        info: Info,
        input: SetPackageInput,  # noqa: A002 the API's name for it
    ) -> PackagePayload | None:
        standing = info.context.standing
        if not standing.operator:
            raise Forbidden("Only the platform's staff sets what is for sale.")
        return PackagePayload(package=Package.of(await catalogue.set_package(standing.actor, input.view())))

    @strawberry.mutation(
        description="Let a kind of staging cost this from the next deduction on, or offer it no longer. Operators only."
    )
    @refusals_as(StagingTypePayload)
    async def set_staging_type(
        self,
        info: Info,
        input: SetStagingTypeInput,  # noqa: A002 the API's name for it
    ) -> StagingTypePayload | None:
        standing = info.context.standing
        if not standing.operator:
            raise Forbidden("Only the platform's staff sets what staging costs.")
        wanted = StagingTypeView(code=input.code, name=input.name, credits=input.credits, active=input.active)
        return StagingTypePayload(staging_type=StagingType.of(await catalogue.set_staging_type(standing.actor, wanted)))
