"""The example operations: each is right by the schema and does what it says at the running service."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from graphql import DocumentNode, OperationDefinitionNode, OperationType, build_schema, parse, validate
from tortoise.transactions import in_transaction

from app.auth import tickets_of
from credits.accounts.queries import account_places, department_places, owners_of, pool_places
from credits.accounts.rules import Place
from credits.accounts.service import create_pool
from credits.actors import Actor, ActorKind
from credits.approvals.due import expire_due
from credits.approvals.models import Approval
from credits.chat.workspaces import connect
from credits.gateways.chat import Installed, Workspace
from credits.ledger.queries import now
from credits.purchases import queries
from tests.support.service import Service

PROJECT = Path(__file__).parent.parent
SCHEMA = build_schema((PROJECT / "schema" / "schema.graphql").read_text(encoding="utf-8"))
OPERATIONS = {
    file.stem: file.read_text(encoding="utf-8") for file in sorted((PROJECT / "operations").glob("*.graphql"))
}


def operation_of(document: DocumentNode) -> OperationDefinitionNode:
    """The one definition of a document."""
    (definition,) = document.definitions
    assert isinstance(definition, OperationDefinitionNode)
    return definition


def test_there_is_an_operation_for_everything_that_can_be_asked_for() -> None:
    examples = map(operation_of, map(parse, OPERATIONS.values()))
    asked = {(example.operation, node.name.value) for example in examples for node in example.selection_set.selections}  # type: ignore[attr-defined]

    offered = {(OperationType.MUTATION, name) for name in SCHEMA.mutation_type.fields}  # type: ignore[union-attr]
    offered |= {(OperationType.SUBSCRIPTION, name) for name in SCHEMA.subscription_type.fields}  # type: ignore[union-attr]

    assert offered <= asked


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_example_is_valid_and_named_as_its_file(name: str) -> None:
    document = parse(OPERATIONS[name])

    operation = operation_of(document)
    assert validate(SCHEMA, document) == []
    assert operation.name is not None
    assert re.sub(r"(?<=[a-z])(?=[A-Z])", "-", operation.name.value).lower() == name


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_example_begins_with_a_comment_of_one_or_two_lines(name: str) -> None:
    lines = OPERATIONS[name].splitlines()

    comments = [line for line in lines if line.startswith("#")]
    assert 1 <= len(comments) <= 2
    assert lines[: len(comments)] == comments


@pytest.mark.parametrize("name", OPERATIONS)
async def test_an_example_does_what_it_says(service: Service, name: str) -> None:
    token, variables = await sent_with(service, name)

    if operation_of(parse(OPERATIONS[name])).operation is OperationType.SUBSCRIPTION:
        async with service.live(token) as live:
            await live.subscribe(OPERATIONS[name], **variables)
            data = await live.next()
    else:
        data = (await service.gql(OPERATIONS[name], token, **variables)).data

    assert None not in data.values()
    payloads = [found for found in data.values() if isinstance(found, dict)]
    results = [each for payload in payloads for each in payload.get("results", ())]
    assert all(not found.get("userErrors") for found in (*payloads, *results))


async def sent_with(service: Service, name: str) -> tuple[str | None, dict[str, Any]]:
    """Whose token and which variables go with an example."""
    demo = service.demo
    key = uuid4().hex
    match name:
        case "catalogue":
            return None, {}
        case "viewer":
            return "owner", {}
        case "wallet" | "node":
            return "owner", {"id": demo.wallets["department"]}
        case "history":
            chosen = {"kinds": ["GRANT"], "from": "2020-01-01T00:00:00Z", "search": "opening"}
            return "owner", {"walletId": demo.wallets["department"], "first": 2, "filter": chosen}
        case "statement":
            return "owner", {"walletId": demo.wallets["department"], "month": (await now()).date().isoformat()}
        case "export-transactions":
            return "auditor", {"input": {"accountId": demo.accounts["demo"], "filter": {"kinds": ["GRANT"]}}}
        case "usage":
            period = {"from": "2026-01-01", "to": "2026-12-31"}
            return "owner", {"accountId": demo.accounts["demo"], **period, "groupBy": "DEPARTMENT"}
        case "forecast":
            return "owner", {"walletId": demo.wallets["department"]}
        case "purchase-credits":
            return "owner", {
                "input": {"walletId": demo.wallets["pool"], "packageCode": "STARTER", "idempotencyKey": key}
            }
        case "purchase":
            token, purchase_id = await purchased(service)
            return token, {"id": purchase_id}
        case "purchase-updated":
            token, purchase_id = await purchased(service)
            return token, {"purchaseId": purchase_id}
        case "cancel-purchase":
            token, purchase_id = await purchased(service)
            return token, {"input": {"purchaseId": purchase_id}}
        case "renew-checkout":
            token, purchase_id = await purchased(service)
            await service.pay((await queries.purchase(purchase_id)).checkout_url or "", "expire")
            return token, {"input": {"purchaseId": purchase_id}}
        case "purchase-returns":
            return "operator", {"id": await paid(service)}
        case "refund-purchase":
            back = {"amountMinor": 9_950, "reason": "Half of it was not needed", "idempotencyKey": key}
            return "operator", {"input": {"purchaseId": await paid(service)} | back}
        case "quote-purchase":
            return "member", {"walletId": demo.wallets["account"], "packageCode": "PROFESSIONAL", "quantity": 2}
        case "request-quote" | "set-price-agreement" | "set-package" | "set-staging-type":
            return await about_prices(service, name)
        case "deduct-credits":
            place = await service.account(credits_given=10)
            return "service", {"input": {"walletId": place.wallet_id, "stagingType": "OUTDOOR", "idempotencyKey": key}}
        case "deduct-credits-many":
            place = await service.account(credits_given=10)
            deductions = [
                {"walletId": place.wallet_id, "stagingType": staging_type, "idempotencyKey": uuid4().hex}
                for staging_type in ("BASIC_ROOM", "OUTDOOR")
            ]
            return "service", {"input": {"deductions": deductions, "atomic": True}}
        case "refund-deduction":
            _, deduction = await sent_with(service, "deduct-credits")
            spent = (await service.gql(OPERATIONS["deduct-credits"], "service", **deduction)).data["deductCredits"]
            undone = {"transactionId": spent["transaction"]["id"], "credits": 2, "reason": "QUALITY", "note": "Blurred"}
            return "service", {"input": undone | {"idempotencyKey": key}}
        case "estimate":
            items = [{"stagingType": "BASIC_ROOM", "quantity": 10}, {"stagingType": "OUTDOOR"}]
            return "department_member", {"walletId": demo.wallets["department"], "items": items}
        case "place-hold":
            place = await service.account(credits_given=30)
            items = [{"stagingType": "BASIC_ROOM", "quantity": 10}, {"stagingType": "OUTDOOR"}]
            promised = {"walletId": place.wallet_id, "items": items, "reference": "12 Elm Street"}
            return "service", {"input": promised | {"expiresInSeconds": 600, "idempotencyKey": key}}
        case "hold":
            return "service", {"id": (await held(service))["id"]}
        case "capture-hold":
            hold = await held(service)
            done = [{"itemId": hold["items"][0]["id"], "quantity": 4}]
            return "service", {"input": {"holdId": hold["id"], "items": done, "idempotencyKey": key}}
        case "release-hold":
            return "service", {"input": {"holdId": (await held(service))["id"], "idempotencyKey": key}}
        case "extend-hold":
            hold = await held(service)
            return "service", {"input": {"holdId": hold["id"], "expiresInSeconds": 7_200, "idempotencyKey": key}}
        case "allocate-credits":
            account, pool = await enterprise(service)
            ends = {"fromWalletId": account.wallet_id, "toWalletId": pool.wallet_id}
            moved = {"credits": 4, "note": "April", "idempotencyKey": key}
            return await service.owner_token(account.account_id), {"input": ends | moved}
        case "set-allocation-rule":
            department_id, token = await department_of_its_own(service)
            return token, {"input": {"departmentId": department_id, "credits": 200, "period": "MONTHLY"}}
        case "request-allocation":
            asked = {"departmentId": demo.departments["demo"], "credits": 40, "reason": f"Spring listings {key}"}
            return "department_member", {"input": asked}
        case "adjust-credits":
            place = await service.account(credits_given=10)
            put_right = {"walletId": place.wallet_id, "change": -3, "reason": "Given twice", "idempotencyKey": key}
            return "operator", {"input": put_right}
        case "grant-credits":
            place = await service.account()
            expiry = (datetime.now(UTC) + timedelta(days=90)).isoformat()
            given = {"walletId": place.wallet_id, "credits": 5, "reason": "Welcome", "expiresAt": expiry}
            return "operator", {"input": given | {"idempotencyKey": key}}
        case "create-account":
            owner = {"ownerEmail": f"{key}@test.example", "ownerName": "Nora New", "timeZone": "Europe/Berlin"}
            return "operator", {"input": {"name": "New Realty", "kind": "ENTERPRISE", "idempotencyKey": key} | owner}
        case "accounts":
            return "operator", {"search": "@demo.example", "first": 2}
        case "audit-log" | "update-account" | "suspend-account":
            return await about_the_account(service, name)
        case "create-pool" | "rename-pool" | "delete-pool" | "set-pool-notifications" | "create-department":
            return await about_the_pool(service, name)
        case "rename-department" | "delete-department":
            department_id, token = await department_of_its_own(service)
            renamed = {"name": "Suburbs"} if name == "rename-department" else {}
            return token, {"input": {"id": department_id} | renamed}
        case "add-member" | "set-member-role" | "remove-member":
            return await about_a_member(service, name)
        case "add-pool-administrator" | "remove-pool-administrator":
            account, pool = await enterprise(service)
            person = {"userId": await colleague(service, account)}
            return await service.owner_token(account.account_id), {"input": {"poolId": pool.pool_id} | person}
        case "add-department-member" | "remove-department-member":
            department_id, token = await department_of_its_own(service)
            place = (await department_places([department_id]))[department_id]
            person = {"userId": await colleague(service, place)}
            return token, {"input": {"departmentId": department_id} | person}
        case "approve-purchase":
            return "approver", {"input": {"purchaseId": await waiting(service), "comment": "Open house in May"}}
        case "reject-purchase":
            return "deputy", {"input": {"purchaseId": await waiting(service), "reason": "Ask again in May"}}
        case "renew-approval":
            purchase_id = await waiting(service)
            await Approval.filter(purchase_id=purchase_id).update(expires_at=await now())
            await expire_due(service.shared.hub)
            return "member", {"input": {"purchaseId": purchase_id}}
        case "approval":
            return "member", {"id": await request_for(service, await waiting(service))}
        case "approvals-waiting":
            await waiting(service)
            return "approver", {}
        case "approval-updated":
            await waiting(service)
            return "approver", {"accountId": demo.accounts["demo"]}
        case "set-approval-policy":
            return "owner", {"input": policy(service)}
        case "delete-approval-policy":
            answer = (await service.gql(OPERATIONS["set-approval-policy"], "owner", input=policy(service))).data
            return "owner", {"input": {"id": answer["setApprovalPolicy"]["approvalPolicy"]["id"]}}
        case "connect-slack" | "disconnect-slack" | "link-slack-user":
            return await about_slack(service, name)
        case "set-auto-top-up":
            place = await service.account()
            limit = {"monthlyLimitMinor": 100_000}
            wanted = {"walletId": place.wallet_id, "threshold": 50, "packageCode": "STARTER", **limit}
            return await service.owner_token(place.account_id), {"input": wanted}
        case "set-balance-alert":
            place = await service.account()
            warnings = {"runwayDays": 7, "expiryDays": 30}
            wanted = {"walletId": place.wallet_id, "threshold": 50, "slackChannel": "#credits", **warnings}
            return await service.owner_token(place.account_id), {"input": wanted}
        case "snooze-alert":
            place = await service.account(credits_given=30)
            return await service.owner_token(place.account_id), {"input": {"walletId": place.wallet_id, "hours": 4}}
        case "create-api-key":
            lasting = {"accountId": demo.accounts["demo"], "name": "Nightly", "expiresAt": "2099-01-01T00:00:00Z"}
            rights = {"scopes": ["read", "spend"], "walletIds": [demo.wallets["pool"]]}
            return "owner", {"input": {**lasting, **rights}}
        case "revoke-api-key":
            _, variables = await sent_with(service, "create-api-key")
            made = (await service.gql(OPERATIONS["create-api-key"], "owner", **variables)).data["createApiKey"]
            return "owner", {"input": {"id": made["apiKey"]["id"]}}
        case "api-keys":
            return "owner", {"accountId": demo.accounts["demo"]}
        case "balance-changed":
            return "department_member", {"walletId": demo.wallets["department"]}
        case "account-balance-changed":
            return "auditor", {"accountId": demo.accounts["demo"]}
        case _:
            pytest.fail(f"operations/{name}.graphql has no variables here. Add them.")


async def about_slack(service: Service, name: str) -> tuple[str, dict[str, Any]]:
    """For operations about an account's workspace, and about who its owner is there."""
    account_id = (await service.account()).account_id
    token = await service.owner_token(account_id)
    if name == "link-slack-user":
        somebody = {"team_id": "T0EXAMPLES", "org": "T0EXAMPLES", "chat_user_id": f"U{uuid4().hex[:9].upper()}"}
        address = tickets_of(service.settings).link_address(**somebody)
        return token, {"input": {"token": address.partition("token=")[2]}}
    if name == "disconnect-slack":
        (owner,) = await owners_of(account_id)
        workspace = Workspace(id="T0EXAMPLES", org="T0EXAMPLES", token="no-token-of-the-sandbox")
        installed = Installed(workspace=workspace, name="Examples", by="U0EXAMPLES")
        actor = Actor(kind=ActorKind.USER, id=owner)
        await connect(service.shared.messenger.workspaces, actor, account_id, installed)
    return token, {"input": {"accountId": account_id}}


async def about_prices(service: Service, name: str) -> tuple[str, dict[str, Any]]:
    """For operations about what a fresh account pays and what is for sale; nothing new is offered to others."""
    place = await service.account()
    fields: dict[str, Any] = {
        "request-quote": {"accountId": place.account_id, "credits": 5_000, "note": "For the spring listings"},
        "set-price-agreement": {
            "accountId": place.account_id,
            "minimumCredits": 5_000,
            "unitPriceMinor": "149.5",
            "validUntil": "2099-01-01T00:00:00Z",
        },
        "set-package": {
            "code": "AGENCY",
            "name": "Agency",
            "credits": 200,
            "priceMinor": 37_900,
            "tiers": [{"minimumQuantity": 5, "priceMinor": 35_900}, {"minimumQuantity": 10, "priceMinor": 33_900}],
            "active": False,
        },
        "set-staging-type": {"code": "TWILIGHT", "name": "Day to dusk", "credits": 2, "active": False},
    }
    token = await service.owner_token(place.account_id) if name == "request-quote" else "operator"
    return token, {"input": fields[name]}


async def about_the_account(service: Service, name: str) -> tuple[str, dict[str, Any]]:
    """For operations about a fresh account as a whole."""
    place = await service.account()
    owner, named = await service.owner_token(place.account_id), {"accountId": place.account_id}
    match name:
        case "audit-log":
            return owner, named | {"first": 10}
        case "suspend-account":
            return "operator", {"input": named | {"suspended": True, "reason": "Its card was reported stolen"}}
        case _:
            return owner, {"input": named | {"name": "New Realty Group", "timeZone": "America/New_York"}}


async def about_the_pool(service: Service, name: str) -> tuple[str, dict[str, Any]]:
    """For operations about a fresh enterprise's pool."""
    account, pool = await enterprise(service)
    fields: dict[str, Any] = {
        "create-pool": {"accountId": account.account_id, "name": "South"},
        "rename-pool": {"id": pool.pool_id, "name": "Residential"},
        "delete-pool": {"id": pool.pool_id},
        "set-pool-notifications": {"poolId": pool.pool_id, "slackChannel": "#north", "weeklyDigest": False},
        "create-department": {"poolId": pool.pool_id, "name": "Downtown"},
    }
    return await service.owner_token(account.account_id), {"input": fields[name]}


async def about_a_member(service: Service, name: str) -> tuple[str, dict[str, Any]]:
    """For operations about a member of a fresh enterprise."""
    account, _ = await enterprise(service)
    token, named = await service.owner_token(account.account_id), {"accountId": account.account_id}
    if name == "add-member":
        return token, {"input": named | {"email": f"{uuid4().hex}@test.example", "name": "Nils New", "role": "MEMBER"}}
    person = {"userId": await colleague(service, account)}
    return token, {"input": named | person | ({"role": "OWNER"} if name == "set-member-role" else {})}


async def colleague(service: Service, place: Place) -> str:
    """Somebody who was just added to the account; their id."""
    wanted = {"email": f"{uuid4().hex}@test.example", "name": "Cora Colleague", "role": "MEMBER"}
    added = await service.gql(OPERATIONS["add-member"], "operator", input={"accountId": place.account_id} | wanted)
    user_id: str = added.data["addMember"]["membership"]["user"]["id"]
    return user_id


async def department_of_its_own(service: Service) -> tuple[str, str]:
    """A department of a fresh enterprise's pool, and its owner's token."""
    token, variables = await about_the_pool(service, "create-department")
    made = (await service.gql(OPERATIONS["create-department"], token, **variables)).data["createDepartment"]
    return made["department"]["id"], token


async def held(service: Service) -> dict[str, Any]:
    """A hold that was just placed."""
    _, variables = await sent_with(service, "place-hold")
    answer = (await service.gql(OPERATIONS["place-hold"], "service", **variables)).data
    hold: dict[str, Any] = answer["placeHold"]["hold"]
    return hold


async def enterprise(service: Service) -> tuple[Place, Place]:
    """A fresh enterprise with 10 credits, and a pool of it."""
    _, variables = await sent_with(service, "create-account")
    answer = (await service.gql(OPERATIONS["create-account"], "operator", **variables)).data["createAccount"]
    account_id = answer["account"]["id"]
    async with in_transaction() as connection:
        pool = await create_pool(connection, account_id=account_id, name="North", at=await now())
    account = (await account_places([account_id]))[account_id]
    await service.give(account, 10)
    return account, (await pool_places([pool.id]))[pool.id]


async def purchased(service: Service) -> tuple[str, str]:
    """A purchase that nobody has paid yet, of a fresh account that no policy concerns, and a token of its owner."""
    place = await service.account()
    wanted = {"walletId": place.wallet_id, "packageCode": "STARTER", "idempotencyKey": uuid4().hex}
    owner = await service.owner_token(place.account_id)
    answer = await service.gql(OPERATIONS["purchase-credits"], owner, input=wanted)
    purchase: dict[str, str] = answer.data["purchaseCredits"]["purchase"]
    return owner, purchase["id"]


async def paid(service: Service) -> str:
    """A purchase of a fresh account, paid."""
    _, purchase_id = await purchased(service)
    await service.pay((await queries.purchase(purchase_id)).checkout_url or "")
    return purchase_id


async def waiting(service: Service) -> str:
    """A purchase that waits for consent."""
    wanted = {"walletId": service.demo.wallets["account"], "packageCode": "PROFESSIONAL", "idempotencyKey": uuid4().hex}
    bought = (await service.gql(OPERATIONS["purchase-credits"], "member", input=wanted)).data["purchaseCredits"]
    assert bought["purchase"]["status"] == "PENDING_APPROVAL"
    purchase_id: str = bought["purchase"]["id"]
    return purchase_id


async def request_for(service: Service, purchase_id: str) -> str:
    """The id of the request for consent to a purchase."""
    waits = (await service.gql(OPERATIONS["approvals-waiting"], "approver")).data["viewer"]["approvalsWaiting"]
    (approval_id,) = (each["id"] for each in waits if each["purchase"]["id"] == purchase_id)
    return str(approval_id)


def policy(service: Service) -> dict[str, Any]:
    """A policy for the demonstration's pool that no other test's purchase falls under."""
    approvers = [service.demo.users[name] for name in ("approver", "deputy")]
    place = {"accountId": service.demo.accounts["demo"], "poolId": service.demo.pools["demo"]}
    return place | {"minimumCredits": 90_000, "approverIds": approvers}
