"""Where people look at a request: on the front-end's page of its purchase, else on one of our own.

A link to our own names nobody and is good for a while: it shows what the card shows, to whoever the card or mail was
shown to, and nothing can be decided there.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt

from credits.approvals.queries import ApprovalView
from credits.reports.links import BadLink

_ALGORITHM, _AUDIENCE = "HS256", "approval"
VALID_FOR = timedelta(days=90)


def key_of(secret: str) -> bytes:
    """The key of these links, made of a secret that has other uses too: who has the one does not have the other."""
    return hmac.digest(secret.encode(), b"staging-credits: links to approvals", hashlib.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Makes and reads addresses. `url` is where the service is reached, without a slash at the end; `page` is the
    front-end's, with `{id}` where a purchase's id goes, or empty."""

    url: str
    key: bytes
    page: str

    def of(self, approval: ApprovalView) -> str:
        """Where the request is to be seen."""
        if self.page:
            return self.page.replace("{id}", approval.purchase_id)
        claims = {"sub": approval.id, "aud": _AUDIENCE, "exp": datetime.now(UTC) + VALID_FOR}
        return f"{self.url}/approvals/{jwt.encode(claims, self.key, algorithm=_ALGORITHM)}"

    def read(self, token: str) -> str:
        """The id of the request that a link to our own page shows. Raises BadLink."""
        try:
            claims = jwt.decode(
                token, self.key, algorithms=[_ALGORITHM], audience=_AUDIENCE, options={"require": ["exp", "sub"]}
            )
        except jwt.ExpiredSignatureError:
            raise BadLink("This link has expired. The purchase itself says how it stands.") from None
        except jwt.PyJWTError:
            raise BadLink("This link is not one of ours, or not whole. Open it from the message again.") from None
        return str(claims["sub"])
