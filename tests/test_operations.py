"""The example operations: each is right by the schema and does what it says at the running service."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from graphql import DocumentNode, OperationDefinitionNode, OperationType, build_schema, parse, validate

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
    assert all(not found.get("userErrors") for found in data.values() if isinstance(found, dict))


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
        case "purchase-credits":
            return "owner", {
                "input": {"walletId": demo.wallets["pool"], "packageCode": "STARTER", "idempotencyKey": key}
            }
        case "purchase":
            return "owner", {"id": await purchased(service)}
        case "purchase-updated":
            return "owner", {"purchaseId": await purchased(service)}
        case "cancel-purchase":
            return "owner", {"input": {"purchaseId": await purchased(service)}}
        case "deduct-credits":
            place = await service.account(credits_given=10)
            return "service", {"input": {"walletId": place.wallet_id, "stagingType": "OUTDOOR", "idempotencyKey": key}}
        case "grant-credits":
            place = await service.account()
            expiry = (datetime.now(UTC) + timedelta(days=90)).isoformat()
            given = {"walletId": place.wallet_id, "credits": 5, "reason": "Welcome", "expiresAt": expiry}
            return "operator", {"input": given | {"idempotencyKey": key}}
        case "create-account":
            owner = {"ownerEmail": f"{key}@test.example", "ownerName": "Nora New", "timeZone": "Europe/Berlin"}
            return "operator", {"input": {"name": "New Realty", "kind": "ENTERPRISE", "idempotencyKey": key} | owner}
        case "approve-purchase":
            return "approver", {"input": {"purchaseId": await waiting(service), "comment": "Open house in May"}}
        case "reject-purchase":
            return "deputy", {"input": {"purchaseId": await waiting(service), "reason": "Ask again in May"}}
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
        case "set-balance-alert":
            place = await service.account()
            wanted = {"walletId": place.wallet_id, "threshold": 50, "slackChannel": "#credits"}
            return await service.owner_token(place.account_id), {"input": wanted}
        case "snooze-alert":
            place = await service.account(credits_given=30)
            return await service.owner_token(place.account_id), {"input": {"walletId": place.wallet_id, "hours": 4}}
        case "balance-changed":
            return "department_member", {"walletId": demo.wallets["department"]}
        case "account-balance-changed":
            return "auditor", {"accountId": demo.accounts["demo"]}
        case _:
            pytest.fail(f"operations/{name}.graphql has no variables here. Add them.")


async def purchased(service: Service) -> str:
    """A purchase that nobody has paid yet."""
    _, variables = await sent_with(service, "purchase-credits")
    answer = (await service.gql(OPERATIONS["purchase-credits"], "owner", **variables)).data
    purchase_id: str = answer["purchaseCredits"]["purchase"]["id"]
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
