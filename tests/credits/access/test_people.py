"""The first token of a person: who they are from then on, and whose account they find."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from credits.accounts.audit_log import AuditEntry
from credits.accounts.models import Identity, User
from credits.accounts.service import find_or_make_user
from tests.credits.access.provider import AUDIENCE, IdentityProvider, published
from tests.schema.world import counts
from tests.support.service import Answer, Service, beside

WHO = """{ viewer { operator user { id name email } accounts { id name kind wallet { balance { available } }
  members { nodes { role user { id } } } } } }"""


def address() -> str:
    return f"{uuid4().hex}@provider.example"


async def invited(email: str) -> str:
    """A person whom somebody has added already."""
    async with in_transaction() as connection:
        return (await find_or_make_user(connection, name="Invited", email=email, at=datetime.now(UTC))).id


def refused(answer: Answer) -> str:
    """The sentence with which nobody was let in."""
    assert (answer.status, answer.codes) == (401, ["UNAUTHENTICATED"])
    message: str = answer.body["errors"][0]["message"]
    return message


async def test_a_stranger_gets_an_account_of_their_own(believer: Service, provider: IdentityProvider) -> None:
    email = address()
    token = provider.token("rsa", email=email, name="Nora New")

    first = (await believer.gql(WHO, token)).data["viewer"]
    second = (await believer.gql(WHO, token)).data["viewer"]

    (account,) = first["accounts"]
    assert first["user"] == {"id": first["user"]["id"], "name": "Nora New", "email": email}
    assert (account["name"], account["kind"], account["wallet"]) == (
        "Nora New",
        "INDIVIDUAL",
        {"balance": {"available": 0}},
    )
    assert account["members"]["nodes"] == [{"role": "OWNER", "user": {"id": first["user"]["id"]}}]
    assert second == first
    (entry,) = await AuditEntry.filter(account_id=account["id"])
    assert (entry.action, entry.actor_id, entry.target) == ("createAccount", first["user"]["id"], account["id"])


@pytest.mark.parametrize("name", [None, "", "  ", "\x00", "n" * 201, 7])
async def test_who_has_no_name_is_called_by_their_address(
    believer: Service, provider: IdentityProvider, name: Any
) -> None:
    email = address()

    found = (await believer.gql(WHO, provider.token("ec", email=email, name=name))).data["viewer"]

    assert found["user"]["name"] == found["accounts"][0]["name"] == email.partition("@")[0]


async def test_twenty_first_calls_at_once_make_one_person_and_one_account(
    believer: Service, provider: IdentityProvider
) -> None:
    before = await counts()
    token = provider.token("rsa")

    answers = await asyncio.gather(*(believer.gql(WHO, token) for _ in range(20)))

    found = [answer.data["viewer"] for answer in answers]
    after = await counts()
    made = {table: after[table] - before[table] for table in after if after[table] != before[table]}
    assert all(each == found[0] for each in found)
    assert made == {"users": 1, "identities": 1, "accounts": 1, "wallets": 1, "memberships": 1, "audit_entries": 1} | {
        name: change for name, change in made.items() if name in {"versions", "wallet_heads"}
    }


async def test_two_identities_of_one_issuer_with_one_address_at_once_are_one_person_and_one_refusal(
    believer: Service, provider: IdentityProvider
) -> None:
    email = address()

    answers = await asyncio.gather(*(believer.gql(WHO, provider.token("rsa", email=email)) for _ in range(2)))

    assert sorted(answer.status for answer in answers) == [200, 401]
    assert await User.filter(email=email).count() == 1


async def test_two_providers_know_one_person_by_one_address(service: Service, provider: IdentityProvider) -> None:
    email = address()
    async with (
        published() as other,
        beside(service, jwt_providers=(provider.setting, other.setting)) as believer,
    ):
        answers = await asyncio.gather(
            *(believer.gql(WHO, each.token("ec", email=email)) for each in (provider, other))
        )
        mixed = await believer.gql(WHO, provider.token("ec", iss=other.issuer, aud=AUDIENCE))

    (one, another) = (answer.data["viewer"] for answer in answers)
    assert one == another
    assert len(one["accounts"]) == 1
    assert await Identity.filter(user_id=one["user"]["id"]).count() == 2
    assert refused(mixed)


async def test_who_was_invited_is_linked_and_gets_no_account_of_their_own(
    believer: Service, provider: IdentityProvider
) -> None:
    email = address()
    user_id = await invited(email.upper())

    found = (await believer.gql(WHO, provider.token("rsa", email=email, name="Another name"))).data["viewer"]

    assert (found["user"]["id"], found["user"]["name"], found["accounts"]) == (user_id, "Invited", [])


async def test_an_address_that_the_issuer_gave_to_somebody_else_opens_nothing(
    believer: Service, provider: IdentityProvider
) -> None:
    email = address()
    known = (await believer.gql(WHO, provider.token("rsa", email=email, sub=f"first of {email}"))).data["viewer"]
    before = await counts()

    answer = await believer.gql(WHO, provider.token("rsa", email=email.upper(), sub=f"second of {email}"))

    assert refused(answer).startswith("This e-mail address belongs to another sign-in of the same issuer.")
    assert await counts() == before
    assert await Identity.filter(user_id=known["user"]["id"]).count() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"email": None},
        {"email": ""},
        {"email": 7},
        {"email": "nobody"},
        {"email": "no\x00body@provider.example"},
        {"email_verified": None},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": 1},
    ],
)
async def test_without_a_verified_address_nobody_is_let_in_and_told_what_to_do(
    believer: Service, provider: IdentityProvider, changes: dict[str, Any]
) -> None:
    before = await counts()

    answer = await believer.gql(WHO, provider.token("rsa", **changes))

    assert refused(answer).startswith("This token carries no e-mail address that its issuer has verified.")
    assert await counts() == before


async def test_who_is_known_needs_no_address_any_more(believer: Service, provider: IdentityProvider) -> None:
    subject = uuid4().hex
    known = (await believer.gql(WHO, provider.token("rsa", sub=subject))).data["viewer"]

    again = (await believer.gql(WHO, provider.token("ec", sub=subject, email=None))).data["viewer"]

    assert again == known


async def test_where_nobody_signs_up_a_stranger_is_refused_and_the_invited_is_not(
    service: Service, provider: IdentityProvider
) -> None:
    email, staff = address(), address()
    user_id = await invited(email)
    async with beside(
        service, jwt_providers=(provider.setting,), self_sign_up=False, operators=(staff,)
    ) as closed_to_strangers:
        before = await counts()
        stranger = await closed_to_strangers.gql(WHO, provider.token("rsa"))
        after = await counts()
        added = await closed_to_strangers.gql(WHO, provider.token("rsa", email=email))
        operator = (await closed_to_strangers.gql(WHO, provider.token("rsa", email=staff))).data["viewer"]

    assert refused(stranger) == "Nobody here is known by this token. Ask an owner of your account to add you."
    assert after == before
    assert added.data["viewer"]["user"]["id"] == user_id
    assert (operator["operator"], operator["accounts"]) == (True, [])


async def test_no_text_of_a_token_is_kept_but_what_names_the_person(
    believer: Service, provider: IdentityProvider
) -> None:
    token = provider.token("rsa", name="Kept", secret_of_theirs="not kept by anybody")
    await believer.gql(WHO, token)

    rows = await get_connection("default").execute_query_dict(
        "SELECT identities::text || users::text AS row FROM identities JOIN users ON users.id = user_id"
    )

    assert not [row for row in rows if "not kept" in row["row"] or token in row["row"]]
