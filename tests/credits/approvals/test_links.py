"""Where a request is to be seen: the front-end's page, or one of our own by a signed link."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from credits.approvals.links import VALID_FOR, Pages, key_of
from credits.reports import links
from credits.reports.links import BadLink
from tests.credits.approvals.test_messages import APPROVAL

SECRET = "a secret that is long enough for this"
PAGES = Pages(url="https://credits.example", key=key_of(SECRET), page="")


def token(**changes: object) -> str:
    claims = {"sub": "apr_1", "aud": "approval", "exp": datetime.now(UTC) + timedelta(days=1)}
    return jwt.encode({**claims, **changes}, PAGES.key, algorithm="HS256")


def test_the_front_ends_page_is_opened_where_there_is_one() -> None:
    pages = replace(PAGES, page="https://app.example/purchases/{id}?from=slack")

    assert pages.of(APPROVAL) == "https://app.example/purchases/pur_1?from=slack"


def test_a_link_to_our_own_is_good_for_ninety_days_and_names_the_request() -> None:
    url = PAGES.of(APPROVAL)

    said = url.removeprefix("https://credits.example/approvals/")
    assert PAGES.read(said) == APPROVAL.id
    expires = datetime.fromtimestamp(jwt.decode(said, options={"verify_signature": False})["exp"], UTC)
    assert abs(expires - datetime.now(UTC) - VALID_FOR) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (token(exp=datetime.now(UTC) - timedelta(seconds=1)), "has expired"),
        (token(aud="chart"), "not one of ours"),
        (token()[:-5], "not one of ours"),
        (jwt.encode({"sub": "apr_1", "aud": "approval", "exp": 2**40}, links.key_of(SECRET)), "not one of ours"),
        (jwt.encode({"sub": "apr_1", "aud": "approval"}, PAGES.key), "not one of ours"),
        (jwt.encode({"sub": "apr_1", "aud": "approval", "exp": 2**40}, "", algorithm="none"), "not one of ours"),
        ("", "not one of ours"),
    ],
)
def test_any_other_link_shows_nothing(said: str, why: str) -> None:
    with pytest.raises(BadLink, match=why):
        PAGES.read(said)
