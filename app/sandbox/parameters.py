"""The parameters of what the API is asked to make, checked as Stripe checks them.

They stay flat as they were sent (`line_items[0][quantity]`): what is known is then one list of names, and a parameter
misspelt by us is refused here as Stripe would refuse it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.sandbox.errors import ApiError
from app.sandbox.ids import METADATA_LENGTH
from app.sandbox.models import LineItem

AMOUNT_LIMIT = 99_999_999
REASONS = ("requested_by_customer", "duplicate", "fraudulent")
_QUANTITY_LIMIT = 999_999
_REFERENCE_LIMIT = 200
_URL_LIMIT = 5000
_METADATA_LIMIT, _METADATA_KEY_LIMIT = 50, 40

_OF_SESSION = re.compile(
    r"mode|success_url|cancel_url|client_reference_id"
    r"|allow_promotion_codes|(?:invoice_creation|tax_id_collection)\[enabled\]"
    r"|customer|customer_creation|customer_update\[(?:name|address)\]|payment_intent_data\[setup_future_usage\]"
    r"|(?:payment_intent_data\[metadata\]|metadata)\[[^\[\]]+\]"
    r"|line_items\[[0-9]{1,2}\]\[(?:quantity|price_data\]\[(?:currency|unit_amount|product_data\]\[name))\]"
)
_OF_PAYMENT = re.compile(
    r"amount|currency|customer|payment_method|confirm|off_session|description|metadata\[[^\[\]]+\]"
    r"|automatic_payment_methods\[(?:enabled|allow_redirects)\]"
)
_OF_REFUND = re.compile(r"payment_intent|amount|reason|metadata\[[^\[\]]+\]")
_METADATA = re.compile(r"metadata\[([^\[\]]+)\]")
_PAYMENT_METADATA = re.compile(r"payment_intent_data\[metadata\]\[([^\[\]]+)\]")
_ITEM_NUMBER = re.compile(r"line_items\[([0-9]{1,2})\].*")

Form = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A session to be made; the amounts of `line_items` are in the smallest unit of `currency` (lower case)."""

    currency: str
    line_items: list[LineItem]
    client_reference_id: str | None
    metadata: dict[str, str]
    success_url: str
    cancel_url: str | None
    customer: str | None
    makes_customer: bool
    saves_card: bool
    makes_invoice: bool
    payment_metadata: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedCardOrder:
    """A saved card to be charged at once, with nobody there."""

    amount_minor: int
    currency: str
    customer: str
    card: str
    description: str | None
    metadata: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundOrder:
    """So much of a payment is to go back; None: all that is left of it."""

    payment_id: str
    amount_minor: int | None
    reason: str | None
    metadata: dict[str, str]


def order_of(form: Form) -> Order:
    """What the form asks for. Refused as Stripe does: unknown and missing parameters, other modes than `payment`,
    amounts that are no positive integers or too large, currencies that cannot be one, addresses that are not http,
    customers both named and to be made."""
    _check_names(form, _OF_SESSION)
    _check_options(form)
    _check_customer(form)
    currency, line_items = _line_items(form)
    return Order(
        currency=currency,
        line_items=line_items,
        client_reference_id=_reference(form),
        metadata=_metadata(form),
        success_url=_url(form, "success_url"),
        cancel_url=_url(form, "cancel_url") if "cancel_url" in form else None,
        customer=form.get("customer"),
        makes_customer=form.get("customer_creation") == "always",
        saves_card="payment_intent_data[setup_future_usage]" in form,
        makes_invoice=form.get("invoice_creation[enabled]") == "true",
        payment_metadata=_metadata(form, _PAYMENT_METADATA),
    )


def saved_card_order_of(form: Form) -> SavedCardOrder:
    """The charge of a saved card that the form asks for. Refused likewise, and whatever does not charge at once with
    nobody there: the sandbox knows no other."""
    _check_names(form, _OF_PAYMENT)
    for name in ("confirm", "off_session"):
        if _required(form, name) != "true":
            raise ApiError(400, f"{name} must be true: the sandbox charges saved cards, at once.", param=name)
    return SavedCardOrder(
        amount_minor=_positive(form, "amount", limit=AMOUNT_LIMIT),
        currency=_currency(form, "currency"),
        customer=_required(form, "customer"),
        card=_required(form, "payment_method"),
        description=form.get("description"),
        metadata=_metadata(form),
    )


def refund_order_of(form: Form) -> RefundOrder:
    """The refund that the form asks for; refused likewise, and a reason that Stripe does not know."""
    _check_names(form, _OF_REFUND)
    _one_of(form, "reason", REASONS)
    return RefundOrder(
        payment_id=_required(form, "payment_intent"),
        amount_minor=_positive(form, "amount", limit=AMOUNT_LIMIT) if "amount" in form else None,
        reason=form.get("reason"),
        metadata=_metadata(form),
    )


def _check_names(form: Form, known: re.Pattern[str]) -> None:
    for name in form:
        if not known.fullmatch(name):
            raise ApiError(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def _check_options(form: Form) -> None:
    mode = _required(form, "mode")
    if mode != "payment":
        raise ApiError(400, f"Invalid mode: must be payment, the sandbox has no {mode}", param="mode")
    for name in ("allow_promotion_codes", "invoice_creation[enabled]", "tax_id_collection[enabled]"):
        if form.get(name, "false") not in ("true", "false"):
            raise ApiError(400, f"Invalid boolean: {form[name]}", param=name)
    if form.get("allow_promotion_codes") == "true":
        raise ApiError(400, "The sandbox has no promotion codes.", param="allow_promotion_codes")


def _check_customer(form: Form) -> None:
    _one_of(form, "customer_creation", ("always", "if_required"))
    _one_of(form, "payment_intent_data[setup_future_usage]", ("off_session", "on_session"))
    for name in ("customer_update[name]", "customer_update[address]"):
        _one_of(form, name, ("auto", "never"))
        if name in form and "customer" not in form:
            raise ApiError(400, "`customer_update` can only be used with `customer`.", param="customer_update")
    if "customer" not in form:
        return
    if "customer_creation" in form:
        told = "You may only specify one of these parameters: customer, customer_creation."
        raise ApiError(400, told, param="customer_creation")
    if form.get("tax_id_collection[enabled]") == "true" and form.get("customer_update[name]") != "auto":
        raise ApiError(
            400,
            "Tax ID collection requires updating business name on the customer. To enable tax ID collection for an "
            "existing customer, please set `customer_update[name]` to `auto`.",
            param="customer_update",
        )


def _one_of(form: Form, name: str, possible: tuple[str, ...]) -> None:
    if form.get(name, possible[0]) not in possible:
        raise ApiError(400, f"Invalid {name}: must be one of {', '.join(possible)}", param=name)


def _required(form: Form, name: str) -> str:
    if not form.get(name):
        raise ApiError(400, f"Missing required param: {name}.", code="parameter_missing", param=name)
    return form[name]


def _line_items(form: Form) -> tuple[str, list[LineItem]]:
    numbers = sorted({int(match[1]) for name in form if (match := _ITEM_NUMBER.fullmatch(name))})
    if not numbers:
        raise ApiError(400, "Missing required param: line_items.", code="parameter_missing", param="line_items")
    currencies = {_currency(form, f"line_items[{number}][price_data][currency]") for number in numbers}
    if len(currencies) > 1:
        raise ApiError(400, "All line items must have the same currency.", param="line_items")
    items = [_line_item(form, f"line_items[{number}]") for number in numbers]
    if sum(item["quantity"] * item["unit_amount"] for item in items) > AMOUNT_LIMIT:
        raise _too_large("line_items")
    return currencies.pop(), items


def _line_item(form: Form, name: str) -> LineItem:
    return {
        "name": _required(form, f"{name}[price_data][product_data][name]"),
        "quantity": _positive(form, f"{name}[quantity]", limit=_QUANTITY_LIMIT),
        "unit_amount": _positive(form, f"{name}[price_data][unit_amount]", limit=AMOUNT_LIMIT),
    }


def _currency(form: Form, name: str) -> str:
    currency = _required(form, name).lower()
    if not re.fullmatch("[a-z]{3}", currency):
        raise ApiError(400, f"Invalid currency: {currency}. It is three letters, as in usd.", param=name)
    return currency


def _positive(form: Form, name: str, *, limit: int) -> int:
    text = _required(form, name)
    if not re.fullmatch("[0-9]{1,12}", text):
        raise ApiError(400, f"Invalid integer: {text}", code="parameter_invalid_integer", param=name)
    number = int(text)
    if number < 1:
        raise ApiError(400, f"Invalid positive integer: {text}", code="parameter_invalid_integer", param=name)
    if number > limit:
        raise _too_large(name)
    return number


def _too_large(name: str) -> ApiError:
    return ApiError(400, f"Amount must be no more than {AMOUNT_LIMIT}", code="amount_too_large", param=name)


def _reference(form: Form) -> str | None:
    reference = form.get("client_reference_id")
    if reference is not None and len(reference) > _REFERENCE_LIMIT:
        raise _too_long("client_reference_id")
    return reference


def _metadata(form: Form, named: re.Pattern[str] = _METADATA) -> dict[str, str]:
    metadata = {match[1]: value for name, value in form.items() if (match := named.fullmatch(name))}
    if len(metadata) > _METADATA_LIMIT:
        raise ApiError(400, f"Metadata can have up to {_METADATA_LIMIT} keys.", param="metadata")
    for key, value in metadata.items():
        if len(key) > _METADATA_KEY_LIMIT or len(value) > METADATA_LENGTH:
            raise _too_long(f"metadata[{key}]")
    return metadata


def _too_long(name: str) -> ApiError:
    return ApiError(400, f"Invalid string: {name} is too long.", param=name)


def _url(form: Form, name: str) -> str:
    url = _required(form, name)
    if len(url) > _URL_LIMIT or not url.isprintable() or " " in url or not _is_web(url):
        raise ApiError(400, "Not a valid URL", code="url_invalid", param=name)
    return url


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
