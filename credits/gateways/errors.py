"""How a provider can fail us, and how a message can that claims to come from one."""


class GatewayUnavailable(Exception):
    """The provider did not answer, or answered that it cannot now. Whether it acted is unknown: ask again with the
    same idempotency key, after `retry_after_s` seconds where the provider said so."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class GatewayRefused(Exception):
    """The provider answered, definitely, that it will not do this; the message is the provider's own."""


class AccessRevoked(GatewayRefused):
    """The provider no longer takes anything from us with this token: it was revoked, or the app was taken out."""


class BadSignature(Exception):
    """A message from outside whose signature is missing, wrong or too old."""
