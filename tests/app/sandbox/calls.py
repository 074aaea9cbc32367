"""Calls of the sandbox's Stripe as an SDK would send them, by hand."""

import httpx

from tests.app.service import KEY, Service

API = "/sandbox/stripe/v1/checkout/sessions"
FORM = {
    "mode": "payment",
    "line_items[0][price_data][currency]": "usd",
    "line_items[0][price_data][unit_amount]": "8990",
    "line_items[0][price_data][product_data][name]": "Team 50",
    "line_items[0][quantity]": "2",
    "client_reference_id": "pur_01",
    "metadata[purchase_id]": "pur_01",
    "success_url": "https://shop.example/return?session={CHECKOUT_SESSION_ID}",
    "cancel_url": "https://shop.example/cancelled",
}


async def create(service: Service, *, key: str | None = None, **changes: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {KEY}"} | ({"Idempotency-Key": key} if key else {})
    return await service.http.post(API, data=FORM | changes, headers=headers)


async def opened(service: Service, **changes: str) -> str:
    return str((await create(service, **changes)).json()["id"])


async def read(service: Service, session_id: str) -> dict[str, object]:
    answer = await service.http.get(f"{API}/{session_id}", headers={"Authorization": f"Bearer {KEY}"})
    session: dict[str, object] = answer.json()
    return session
