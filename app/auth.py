"""From the settings and a header to a caller."""

from app.settings import Settings
from credits.access import tokens
from credits.access.last_use import LastUses
from credits.access.providers import KeySource, ProviderKeys
from credits.access.service import Access, Caller, authenticate
from credits.approvals import links as approvals
from credits.approvals.links import Pages
from credits.chat import tickets
from credits.errors import Unauthenticated
from credits.reports.links import Links, key_of


def access_of(settings: Settings, key_source: KeySource) -> Access:
    """Whom this deployment believes."""
    pairs = (key.get_secret_value().partition(":") for key in settings.service_keys)
    return Access(
        tokens=token_rules(settings),
        providers={each.issuer: ProviderKeys(each, key_source) for each in settings.identity_providers},
        service_keys=tuple((name, secret) for name, _, secret in pairs),
        operators=frozenset(email.lower() for email in settings.operators),
        may_sign_up=settings.self_sign_up,
        last_uses=LastUses(),
    )


def token_rules(settings: Settings) -> tokens.TokenRules:
    """How tokens of people must be signed."""
    return tokens.TokenRules(
        secret=settings.jwt_secret.get_secret_value(), issuer=settings.jwt_issuer, audience=settings.jwt_audience
    )


def links_of(settings: Settings) -> Links:
    """Links to what is downloaded from this deployment."""
    return Links(url=settings.url, key=key_of(settings.jwt_secret.get_secret_value()))


def pages_of(settings: Settings) -> Pages:
    """Where people look at requests for approval."""
    key = approvals.key_of(settings.jwt_secret.get_secret_value())
    return Pages(url=settings.url, key=key, page=settings.purchase_page)


def tickets_of(settings: Settings) -> tickets.Tickets:
    """What people are given to come back with, to connect Slack and to link themselves."""
    return tickets.Tickets(
        url=settings.url,
        key=tickets.key_of(settings.jwt_secret.get_secret_value()),
        link_page=settings.slack_link_page,
        each_its_own=bool(settings.slack_client_id) or settings.slack_played,
    )


async def caller_of(access: Access, authorization: str | None) -> Caller | None:
    """Who sends this Authorization header; None without one. Raises Unauthenticated."""
    if not authorization:
        return None
    scheme, _, bearer = authorization.partition(" ")
    if scheme.lower() != "bearer" or not bearer.strip():
        raise Unauthenticated("Send the token or key as: Authorization: Bearer <token>.")
    return await authenticate(access, bearer.strip())
