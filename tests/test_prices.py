"""Prices over HTTP: agreements and what is bought by them, quotes, asking for a price, tiers, and the catalogue's
mutations, each at work at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from tortoise.transactions import in_transaction

from app.demo import CATALOGUE
from app.sandbox.models import CheckoutSession
from credits.accounts.audit_log import AuditEntry, entries_of
from credits.accounts.models import Account, AccountRole
from credits.accounts.service import add_membership
from credits.catalogue.models import Package, PriceAgreement, QuoteRequest, StagingType
from credits.catalogue.requests import AT_MOST
from credits.catalogue.service import load
from credits.ids import Kind, make_id
from credits.ledger.audit import broken
from credits.ledger.queries import now
from credits.ledger.wallet import MAX_BALANCE
from credits.purchases.models import Purchase
from tests.support.firm import policy
from tests.support.service import Service
from tests.support.slack import Slack, eventually, quotation_in, with_markup
from tests.test_journey import SPEND
from tests.test_purchases import BUY_MORE, Buyer, new_buyer, session_of

AGREE = """mutation ($input: SetPriceAgreementInput!) { done: setPriceAgreement(input: $input) {
  account { priceAgreement { minimumCredits unitPrice { amountMinor currency formatted } validUntil } }
  userErrors { code field message } } }"""
AGREED = """query ($id: ID!) { account(id: $id) { priceAgreement {
  minimumCredits unitPrice { formatted } validUntil } } }"""
QUOTE = """query ($walletId: ID!, $packageCode: String!, $quantity: Int! = 1, $credits: Int) {
  done: quotePurchase(walletId: $walletId, packageCode: $packageCode, quantity: $quantity, credits: $credits) {
    quote { credits total { amountMinor currency } unitPrice { amountMinor } approvalPolicy { minimumCredits } }
    userErrors { code field message } } }"""
ASK = """mutation ($input: RequestQuoteInput!) { done: requestQuote(input: $input) { requested
  userErrors { code field message } } }"""
SET_PACKAGE = """mutation ($input: SetPackageInput!) { done: setPackage(input: $input) {
  package { code credits price { formatted } unitPrice { formatted } customPrice minimumCredits
    tiers { minimumQuantity price { amountMinor } } }
  userErrors { code field message } } }"""
SET_STAGING_TYPE = """mutation ($input: SetStagingTypeInput!) { done: setStagingType(input: $input) {
  stagingType { code name credits active } userErrors { code field message } } }"""
LOTS = """query ($id: ID!) { wallet(id: $id) { lots { nodes { remaining unitPrice { amountMinor currency } } } } }"""

Setting = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def buyer(service: Service) -> Buyer:
    return await new_buyer(service)


async def account_of(buyer: Buyer) -> str:
    found = await buyer.ask("{ viewer { accounts { id } } }")
    account_id: str = found["viewer"]["accounts"][0]["id"]
    return account_id


async def agree(buyer: Buyer, price: str | None = "149.5", **changes: Any) -> dict[str, Any]:
    wanted = {"accountId": await account_of(buyer), "minimumCredits": 1000, "unitPriceMinor": price} | changes
    done: dict[str, Any] = (await buyer.service.gql(AGREE, "operator", input=wanted)).data["done"]
    return done


async def buy(buyer: Buyer, package: str = "ENTERPRISE", **wanted: Any) -> dict[str, Any]:
    asked = {"walletId": buyer.wallet, "packageCode": package, "idempotencyKey": uuid4().hex} | wanted
    answer: dict[str, Any] = (await buyer.ask(BUY_MORE, input=asked))["purchaseCredits"]
    return answer


async def quoted(buyer: Buyer, package: str, **wanted: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await buyer.ask(QUOTE, walletId=buyer.wallet, packageCode=package, **wanted))["done"]
    return answer


def codes(done: dict[str, Any]) -> list[str]:
    return [error["code"] for error in done["userErrors"]]


@pytest.fixture
async def sell(service: Service) -> AsyncIterator[Setting]:
    """Sets a package that nobody is suggested, for it is dear; it is not for sale any more after the test."""
    code = f"P_{uuid4().hex[:12].upper()}"

    async def change(token: str = "operator", **changes: Any) -> dict[str, Any]:
        wanted = {"code": code, "name": "A test's", "credits": 10, "priceMinor": 900_000} | changes
        done: dict[str, Any] = (await service.gql(SET_PACKAGE, token, input=wanted)).data["done"]
        return done

    yield change
    await Package.filter(code=code).update(active=False)


@pytest.fixture
async def offer(service: Service) -> AsyncIterator[Setting]:
    """Sets a staging type; it is not offered any more after the test."""
    code = f"S_{uuid4().hex[:12].upper()}"

    async def change(**changes: Any) -> dict[str, Any]:
        wanted = {"code": code, "name": "A test's", "credits": 3} | changes
        done: dict[str, Any] = (await service.gql(SET_STAGING_TYPE, "operator", input=wanted)).data["done"]
        return done

    yield change
    await StagingType.filter(code=code).update(active=False)


async def test_what_was_agreed_is_quoted_bought_paid_and_in_the_lot(buyer: Buyer) -> None:
    agreed = await agree(buyer)

    quote = (await quoted(buyer, "ENTERPRISE", credits=1001))["quote"]
    bought = (await buy(buyer, credits=1001))["purchase"]
    session = await CheckoutSession.get(id=session_of(bought))
    await buyer.service.pay(bought["checkoutUrl"])

    assert agreed["account"]["priceAgreement"] == {
        "minimumCredits": 1000,
        "unitPrice": {"amountMinor": "149.5", "currency": "USD", "formatted": "$1.495"},
        "validUntil": None,
    }
    # 1001 times 149.5 is 149649.5: half up.
    assert quote["total"] == {"amountMinor": 149650, "currency": "USD"}
    assert (quote["credits"], quote["unitPrice"]["amountMinor"]) == (1001, "149.5005")
    assert bought["total"]["formatted"] == "$1,496.50"
    assert [(item["quantity"], item["unit_amount"]) for item in session.line_items] == [(1, 149650)]
    assert await buyer.available() == 1001
    assert (await buyer.ask(LOTS, id=buyer.wallet))["wallet"]["lots"]["nodes"] == [
        {"remaining": 1001, "unitPrice": {"amountMinor": "149.5005", "currency": "USD"}}
    ]
    assert await broken() == {}


async def test_the_price_of_a_purchase_outlives_its_agreement(buyer: Buyer) -> None:
    await agree(buyer)
    bought = (await buy(buyer, credits=1000))["purchase"]

    ended = await agree(buyer, None)
    another = await buy(buyer, credits=1000)
    await buyer.service.pay(bought["checkoutUrl"])

    assert ended["account"] == {"priceAgreement": None}
    assert codes(another) == ["CUSTOM_PRICE_REQUIRED"]
    after = await buyer.state_of(bought)
    assert (after["status"], after["total"]["formatted"]) == ("PAID", "$1,495.00")


async def test_a_new_price_is_for_the_next_purchase(buyer: Buyer) -> None:
    await agree(buyer)
    before = (await buy(buyer, credits=1000))["purchase"]

    await agree(buyer, "120")
    after = (await buy(buyer, credits=1000))["purchase"]

    assert (before["total"]["formatted"], after["total"]["formatted"]) == ("$1,495.00", "$1,200.00")
    assert (await buyer.state_of(before))["total"]["formatted"] == "$1,495.00"


async def test_an_agreement_that_has_lapsed_buys_nothing_and_is_still_seen(buyer: Buyer) -> None:
    account_id = await account_of(buyer)
    await agree(buyer, validUntil="2099-01-01T00:00:00Z")
    in_time = await buy(buyer, credits=1000)
    await PriceAgreement.filter(account_id=account_id).update(valid_until=await now())

    too_late = await buy(buyer, credits=1000)

    assert in_time["userErrors"] == []
    assert codes(too_late) == ["CUSTOM_PRICE_REQUIRED"]
    assert too_late["userErrors"][0]["message"] == (
        "The price agreed with your account has lapsed. Ask for a price with requestQuote."
    )
    seen = (await buyer.ask(AGREED, id=account_id))["account"]["priceAgreement"]
    assert seen["unitPrice"] == {"formatted": "$1.495"}
    assert seen["validUntil"] is not None


async def test_an_agreement_in_another_currency_buys_nothing(buyer: Buyer) -> None:
    await agree(buyer, currency="EUR")

    refused = await buy(buyer, credits=1000)

    assert codes(refused) == ["CUSTOM_PRICE_REQUIRED"]
    assert "in EUR, not in USD" in refused["userErrors"][0]["message"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"minimumCredits": 0}, "minimumCredits"),
        ({"minimumCredits": 1_000_000_001}, "minimumCredits"),
        ({"unitPriceMinor": "0"}, "unitPriceMinor"),
        ({"unitPriceMinor": "-1"}, "unitPriceMinor"),
        ({"unitPriceMinor": "0.0000001"}, "unitPriceMinor"),
        ({"unitPriceMinor": "100000000"}, "unitPriceMinor"),
        ({"currency": "dollar"}, "currency"),
        ({"validUntil": "2020-01-01T00:00:00Z"}, "validUntil"),
        ({"minimumCredits": 1, "unitPriceMinor": "0.49"}, "minimumCredits"),
        ({"minimumCredits": 1_000_000}, "minimumCredits"),
        ({"accountId": "acct_1"}, "accountId"),
    ],
)
async def test_what_cannot_be_agreed_is_refused_and_the_agreement_stays(
    buyer: Buyer, changes: dict[str, Any], field: str
) -> None:
    account_id = await account_of(buyer)
    await agree(buyer)
    rows, log = await PriceAgreement.filter(account_id=account_id).values(), await entries_of(account_id, limit=10)

    done = await agree(buyer, **{"unitPriceMinor": "149.5", **changes})

    assert done["account"] is None
    assert [(error["code"], error["field"]) for error in done["userErrors"]] == [("INVALID", [field])]
    assert await PriceAgreement.filter(account_id=account_id).values() == rows
    assert await entries_of(account_id, limit=10) == log


async def test_the_audit_log_tells_each_change_of_an_agreement_once(buyer: Buyer) -> None:
    account_id = await account_of(buyer)

    for price in ("150", "150.00", "120.25", None, None):
        assert (await agree(buyer, price))["userErrors"] == []

    entries = [each for each in await entries_of(account_id, limit=10) if each.action == "setPriceAgreement"]
    made = {"minimumCredits": "1000", "unitPriceMinor": "150", "currency": "USD"}
    assert [(each.before, each.after) for each in reversed(entries)] == [
        (None, made),
        ({"unitPriceMinor": "150"}, {"unitPriceMinor": "120.25"}),
        (made | {"unitPriceMinor": "120.25"}, None),
    ]


@pytest.mark.parametrize(
    ("package", "wanted"),
    [
        ("NONE", {}),
        ("STARTER", {"quantity": 0}),
        ("STARTER", {"quantity": 5026}),
        ("STARTER", {"credits": 100}),
        ("ENTERPRISE", {}),
        ("ENTERPRISE", {"credits": 999}),
        ("ENTERPRISE", {"credits": 1000}),
        ("ENTERPRISE", {"credits": 1000, "quantity": 2}),
    ],
)
async def test_a_quote_is_refused_in_the_words_of_the_purchase(
    buyer: Buyer, package: str, wanted: dict[str, Any]
) -> None:
    quote = await quoted(buyer, package, **wanted)
    purchase = await buy(buyer, package, **wanted)

    assert quote["quote"] is None
    assert quote["userErrors"] == purchase["userErrors"] != []


async def test_a_quote_is_refused_where_the_account_or_the_wallet_could_not_take_it(service: Service) -> None:
    place = await service.account(credits_given=999_999_999)
    await service.give(place, 999_999_999)
    await service.give(place, MAX_BALANCE - 2 * 999_999_999 - 99)
    buyer = Buyer(service, await service.owner_token(place.account_id), place.wallet_id or "")

    full = await quoted(buyer, "STARTER")
    await Account.filter(id=place.account_id).update(suspended_at=await now())
    suspended = await quoted(buyer, "STARTER")

    assert codes(full) == ["BALANCE_LIMIT_EXCEEDED"]
    assert codes(suspended) == ["ACCOUNT_SUSPENDED"]


async def test_a_quote_tells_the_policy_that_would_ask_and_leaves_nothing(buyer: Buyer) -> None:
    account_id = await account_of(buyer)
    approvers = ("approver", "deputy")
    async with in_transaction() as connection:
        for name in approvers:
            user_id = buyer.service.demo.users[name]
            at = await now()
            await add_membership(connection, account_id=account_id, user_id=user_id, role=AccountRole.MEMBER, at=at)
    await policy(buyer.service, account_id, required=1, approvers=approvers)

    small = (await quoted(buyer, "STARTER", quantity=4))["quote"]
    large = (await quoted(buyer, "STARTER", quantity=5))["quote"]
    none_yet = await Purchase.filter(account_id=account_id).count()
    bought = [(await buy(buyer, "STARTER", quantity=4))["purchase"]["status"] for _ in range(2)]
    next_one = (await quoted(buyer, "STARTER"))["quote"]

    assert (small["approvalPolicy"], large["approvalPolicy"]) == (None, {"minimumCredits": 500})
    assert (small["credits"], small["total"]["amountMinor"], small["unitPrice"]["amountMinor"]) == (400, 79600, "199")
    assert none_yet == 0
    assert bought == ["AWAITING_PAYMENT", "PENDING_APPROVAL"]
    # What was bought within a day counts in, as it does for the purchase.
    assert next_one["approvalPolicy"] == {"minimumCredits": 500}


async def ask(buyer: Buyer, **wanted: Any) -> dict[str, Any]:
    asked = {"accountId": await account_of(buyer), "credits": 5000} | wanted
    done: dict[str, Any] = (await buyer.ask(ASK, input=asked))["done"]
    return done


async def test_asking_for_a_price_puts_a_card_before_the_operators(buyer: Buyer) -> None:
    account_id = await account_of(buyer)

    done = await ask(buyer, note=" Spring listings <!channel>\nfrom May on ")

    assert done == {"requested": True, "userErrors": []}
    row = await QuoteRequest.get(account_id=account_id)
    assert (row.credits, row.note) == (5000, "Spring listings <!channel>\nfrom May on")
    slack = Slack(buyer.service)
    (card,) = await eventually(lambda: slack.messages(f"operators:quote:{row.id}"), bool)
    told = str(card)
    assert all(word in told for word in ("Test account", "Test owner", "5,000", "setPriceAgreement", account_id))
    assert quotation_in(card["blocks"]) == "Spring listings <!channel>\nfrom May on"
    assert not [text for text in with_markup(card) if "<!channel>" in text]


async def test_the_same_question_within_an_hour_is_asked_once(buyer: Buyer) -> None:
    account_id = await account_of(buyer)

    first = [await ask(buyer, note="May") for _ in range(3)]
    other_words = await ask(buyer, note="June")
    await QuoteRequest.filter(account_id=account_id).update(created_at=await now() - timedelta(hours=1))
    later = await ask(buyer, note="May")

    assert [done["requested"] for done in (*first, other_words, later)] == [True] * 5
    rows = await QuoteRequest.filter(account_id=account_id).order_by("id")
    assert [row.note for row in rows] == ["May", "June", "May"]


async def test_an_account_asks_so_often_within_an_hour_and_no_more_also_at_once(buyer: Buyer) -> None:
    account_id = await account_of(buyer)

    answers = await asyncio.gather(*(ask(buyer, credits=5000 + number) for number in range(8)))

    assert sorted(tuple(codes(done)) for done in answers) == [()] * AT_MOST + [("WRONG_STATE",)] * (8 - AT_MOST)
    assert sum(done["requested"] for done in answers) == AT_MOST
    assert await QuoteRequest.filter(account_id=account_id).count() == AT_MOST


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"credits": 0}, "INVALID", ["credits"]),
        ({"credits": 1_000_000_001}, "INVALID", ["credits"]),
        ({"credits": 999}, "BELOW_MINIMUM", ["credits"]),
        ({"note": "x" * 501}, "INVALID", ["note"]),
        ({"note": "a\x07b"}, "INVALID", ["note"]),
        ({"accountId": make_id(Kind.WALLET)}, "INVALID", ["accountId"]),
    ],
)
async def test_what_cannot_be_asked_for_is_refused_and_told_to_nobody(
    buyer: Buyer, changes: dict[str, Any], code: str, field: list[str]
) -> None:
    account_id = await account_of(buyer)

    done = await ask(buyer, **changes)

    assert done["requested"] is False
    assert [(error["code"], error["field"]) for error in done["userErrors"]] == [(code, field)]
    assert await QuoteRequest.filter(account_id=account_id).count() == 0


async def test_a_tier_lowers_the_price_and_what_was_bought_keeps_it(buyer: Buyer, sell: Setting) -> None:
    tier = {"minimumQuantity": 3, "priceMinor": 800_000}
    code = (await sell(tiers=[tier], validForDays=30))["package"]["code"]
    few = (await buy(buyer, code, quantity=2))["purchase"]
    enough = (await buy(buyer, code, quantity=3))["purchase"]
    session = await CheckoutSession.get(id=session_of(enough))

    await sell(tiers=[tier | {"priceMinor": 700_000}])
    after = (await quoted(buyer, code, quantity=3))["quote"]
    await buyer.service.pay(enough["checkoutUrl"])

    assert (few["total"]["formatted"], enough["total"]["formatted"]) == ("$18,000.00", "$24,000.00")
    (item,) = session.line_items
    assert (item["quantity"], item["unit_amount"]) == (3, 800_000)
    assert after["total"]["amountMinor"] == 2_100_000
    assert (await buyer.state_of(enough))["status"] == "PAID"
    assert await buyer.available() == 30
    assert (await Purchase.get(id=enough["id"])).valid_for_days == 30
    (lot,) = (await buyer.ask(LOTS, id=buyer.wallet))["wallet"]["lots"]["nodes"]
    assert lot == {"remaining": 30, "unitPrice": {"amountMinor": "80000", "currency": "USD"}}


async def test_a_package_is_made_changed_and_withdrawn_at_once(buyer: Buyer, sell: Setting) -> None:
    made = await sell()
    code = made["package"]["code"]
    bought = (await buy(buyer, code))["purchase"]

    changed = await sell(credits=20, priceMinor=990_000, tiers=[{"minimumQuantity": 2, "priceMinor": 990_000}])
    dearer = (await buy(buyer, code))["purchase"]
    agreed = await sell(credits=None, priceMinor=None, minimumCredits=7)
    unpriced = await buy(buyer, code, credits=7)
    withdrawn = await sell(active=False)
    gone = await buy(buyer, code)

    assert made["package"]["price"] == {"formatted": "$9,000.00"}
    assert changed["package"]["tiers"] == [{"minimumQuantity": 2, "price": {"amountMinor": 990_000}}]
    assert (bought["total"]["formatted"], dearer["total"]["formatted"]) == ("$9,000.00", "$9,900.00")
    assert (agreed["package"]["customPrice"], agreed["package"]["minimumCredits"]) == (True, 7)
    assert (codes(unpriced), codes(gone)) == (["CUSTOM_PRICE_REQUIRED"], ["UNKNOWN_PACKAGE"])
    assert withdrawn["package"]["tiers"] == []
    assert (await buyer.state_of(bought))["package"] == {"code": code}
    offered = (await buyer.ask("{ packages { code } }"))["packages"]
    assert code not in [each["code"] for each in offered]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"code": "lower"}, "code"),
        ({"name": "\u200b"}, "name"),
        ({"credits": None}, "credits"),
        ({"priceMinor": None}, "priceMinor"),
        ({"priceMinor": 100_000_000}, "priceMinor"),
        ({"currency": "$"}, "currency"),
        ({"minimumCredits": 5}, "minimumCredits"),
        ({"validForDays": 0}, "validForDays"),
        ({"tiers": [{"minimumQuantity": 1, "priceMinor": 1}]}, "tiers"),
        ({"tiers": [{"minimumQuantity": 2, "priceMinor": 900_001}]}, "tiers"),
    ],
)
async def test_a_package_that_is_not_right_changes_nothing(sell: Setting, changes: dict[str, Any], field: str) -> None:
    code = (await sell())["package"]["code"]
    rows, log = await Package.filter(code=code).values(), await AuditEntry.filter(target=code).count()

    done = await sell(**changes)

    assert done["package"] is None
    assert [(error["code"], error["field"]) for error in done["userErrors"]] == [("INVALID", [field])]
    assert await Package.filter(code=code).values() == rows
    assert await AuditEntry.filter(target=code).count() == log


async def test_changes_of_the_catalogue_are_logged_for_operators_alone(service: Service, sell: Setting) -> None:
    code = (await sell())["package"]["code"]
    await sell()
    await sell(priceMinor=800_000)

    entries = await AuditEntry.filter(target=code).order_by("id")
    node = "query ($id: ID!) { node(id: $id) { ... on AuditEntry { action } } }"
    seen = await service.gql(node, "operator", id=entries[1].id)
    hidden = await service.gql(node, "owner", id=entries[1].id)

    assert [(each.action, each.account_id, each.before is None) for each in entries] == [
        ("setPackage", None, True),
        ("setPackage", None, False),
    ]
    assert (entries[1].before, entries[1].after) == ({"priceMinor": "900000"}, {"priceMinor": "800000"})
    assert seen.data["node"] == {"action": "setPackage"}
    assert hidden.codes == ["NOT_FOUND"]


async def test_one_new_package_set_many_times_at_once_is_one_and_logged_once(sell: Setting) -> None:
    done = await asyncio.gather(*(sell() for _ in range(8)))

    (code,) = {each["package"]["code"] for each in done}
    assert await Package.filter(code=code).count() == 1
    assert await AuditEntry.filter(target=code).count() == 1


async def test_a_staging_type_costs_what_was_set_from_the_next_deduction_on(service: Service, offer: Setting) -> None:
    place = await service.account(credits_given=100)

    async def spend(code: str) -> dict[str, Any]:
        answer = await service.gql(SPEND, "service", wallet=place.wallet_id, type=code, key=uuid4().hex)
        done: dict[str, Any] = answer.data["deductCredits"]
        return done

    made = (await offer())["stagingType"]
    first = await spend(made["code"])
    await offer(credits=7, name="Dearer")
    second = await spend(made["code"])
    withdrawn = (await offer(credits=7, active=False))["stagingType"]
    third = await spend(made["code"])
    wrong = await offer(credits=0)

    assert made == {"code": made["code"], "name": "A test's", "credits": 3, "active": True}
    assert (first["transaction"]["change"], second["transaction"]["change"]) == (-3, -7)
    assert withdrawn["active"] is False
    assert codes(third) == ["UNKNOWN_STAGING_TYPE"]
    assert [(error["code"], error["field"]) for error in wrong["userErrors"]] == [("INVALID", ["credits"])]
    entries = await AuditEntry.filter(target=made["code"]).order_by("id")
    assert [(each.action, each.after) for each in entries] == [
        ("setStagingType", {"name": "A test's", "credits": "3", "active": "true"}),
        ("setStagingType", {"name": "Dearer", "credits": "7"}),
        ("setStagingType", {"name": "A test's", "active": "false"}),
    ]


async def test_a_file_that_is_not_right_changes_nothing_and_one_that_is_withdraws_what_it_lacks(sell: Setting) -> None:
    code = (await sell())["package"]["code"]
    document = CATALOGUE.read_text(encoding="utf-8")
    before = await Package.filter(active=True).order_by("code").values()

    with pytest.raises(ValueError, match="packages: PROFESSIONAL: price_minor: Between 1 and"):
        await load(document.replace("price_minor = 89900", "price_minor = 0"))
    untouched = await Package.filter(active=True).order_by("code").values()
    await load(document)

    assert untouched == before
    assert (await Package.get(code=code)).active is False
    assert (await Package.get(code="PROFESSIONAL")).price_minor == 89900
