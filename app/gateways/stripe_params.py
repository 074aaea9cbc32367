"""What Stripe is asked for, in its own words: the parameters of a checkout, a refund and a charge.

Our ids go along as metadata, so that whatever Stripe tells later can be told to be ours.
"""

import stripe

from credits.gateways.payments import ChargeRequest, CheckoutRequest, RefundRequest


def session_params(request: CheckoutRequest) -> stripe.params.checkout.SessionCreateParams:
    """A checkout session; the card is saved with the customer, who is made where the account has none yet."""
    metadata = _metadata(request)
    params: stripe.params.checkout.SessionCreateParams = {
        "mode": "payment",
        "line_items": [
            {
                "price_data": {
                    "currency": request.unit.currency.lower(),
                    "unit_amount": request.unit.amount_minor,
                    "product_data": {"name": request.description},
                },
                "quantity": request.quantity,
            }
        ],
        "client_reference_id": request.purchase_id,
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata, "setup_future_usage": "off_session"},
        "success_url": request.success_url,
        "cancel_url": request.cancel_url,
        "allow_promotion_codes": False,
        "invoice_creation": {"enabled": True},
        "tax_id_collection": {"enabled": True},
    }
    if request.customer_id is None:
        return {**params, "customer_creation": "always"}
    # Tax ids of a customer who is there already are collected only if their name may be brought up to date.
    return {**params, "customer": request.customer_id, "customer_update": {"name": "auto", "address": "auto"}}


def refund_params(request: RefundRequest) -> stripe.params.RefundCreateParams:
    """A refund of so much of a payment."""
    return {
        "payment_intent": request.payment_id,
        "amount": request.amount.amount_minor,
        "metadata": {"refund_id": request.reference, "purchase_id": request.purchase_id},
    }


def charge_params(request: ChargeRequest) -> stripe.params.PaymentIntentCreateParams:
    """A payment with the saved card, made and confirmed at once. Nobody is there who could be sent anywhere."""
    return {
        "amount": request.total.amount_minor,
        "currency": request.total.currency.lower(),
        "customer": request.customer_id,
        "payment_method": request.card_id,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "confirm": True,
        "off_session": True,
        "description": request.description,
        "metadata": {**_metadata(request), "saved_card": "1"},
    }


def _metadata(request: CheckoutRequest | ChargeRequest) -> dict[str, str]:
    return {
        "purchase_id": request.purchase_id,
        "account_id": request.account_id,
        "wallet_id": request.wallet_id,
    }
