"""How each row of authorization.csv that is built is asked for."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.schema.world import MUCH, World

# The id of what a role asks for: within its scope, or (`inside` False) beyond it.
Subject = Callable[[World, str, bool], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Row:
    """How a row is asked for: the operation, what `$id` stands for (None: it names nothing), where the answer is.
    Further variables with the name of a place stand for its wallet."""

    document: str
    subject: Subject | None
    path: tuple[str | int, ...]


def _departments(role: str, inside: bool) -> str:
    beyond = "sibling" if role == "department_member" else "other_department"
    return "department" if inside else beyond


def _ids(*, wallets: bool = False) -> dict[str, Subject]:
    """The subjects of rows about places: `account`, `pool` and `department`."""

    def named(world: World, place: str) -> str:
        return world.wallet_of(place) if wallets else world.id_of(place)

    async def the_account(world: World, role: str, inside: bool) -> str:
        return named(world, "account" if inside else "individual")

    async def pool(world: World, role: str, inside: bool) -> str:
        return named(world, "pool" if inside else "other_pool")

    async def department(world: World, role: str, inside: bool) -> str:
        return named(world, _departments(role, inside))

    return {"account": the_account, "pool": pool, "department": department}


async def _node(world: World, role: str, inside: bool) -> str:
    within = {"pool_admin": "pool", "department_member": "department"}.get(role, "account")
    beyond = {"owner": "individual", "pool_admin": "other_pool", "department_member": "sibling"}
    if role == "auditor" and not inside:
        return world.service.demo.accounts["demo"]
    return world.id_of(within if inside else beyond.get(role, "pool"))


def _whose_history(role: str, inside: bool) -> str:
    """A place whose history the role may read, or one whose history it may not."""
    within = {
        "member": "individual",
        "approver": "individual",
        "pool_admin": "pool",
        "department_member": "department",
    }
    beyond = {"pool_admin": "other_pool", "department_member": "sibling"}
    return within.get(role, "account") if inside else beyond.get(role, "account")


async def _transaction(world: World, role: str, inside: bool) -> str:
    return world.transactions[_whose_history(role, inside)]


async def _hold(world: World, role: str, inside: bool) -> str:
    return world.holds[_whose_history(role, inside)]


async def _new_hold(world: World, role: str, inside: bool) -> str:
    return await world.hold(_departments(role, inside))


async def _spent_by_the_account(world: World, role: str, inside: bool) -> str:
    return await world.deduction("account")


async def _spent_by_the_department(world: World, role: str, inside: bool) -> str:
    return await world.deduction(_departments(role, inside))


async def _purchase(world: World, role: str, inside: bool) -> str:
    if role in {"member", "approver"}:
        return await world.purchase("account", world.actors[role] if inside else await world.buyer())
    beyond = "sibling" if role == "department_member" else "other_pool"
    return await world.purchase("department" if inside else beyond, await world.buyer())


async def _own_purchase(world: World, role: str, inside: bool) -> str:
    return await world.purchase("account", world.actors[role])


async def _anothers_purchase(world: World, role: str, inside: bool) -> str:
    return await world.purchase("department" if inside else "other_department", await world.buyer())


async def _own_request(world: World, role: str, inside: bool) -> str:
    return await world.purchase("account", world.actors[role], quantity=MUCH)


async def _anothers_request(world: World, role: str, inside: bool) -> str:
    return await world.purchase("department" if inside else "other_pool", await world.buyer(), quantity=MUCH)


async def _approval(world: World, role: str, inside: bool) -> str:
    if role == "member" and inside:
        return await world.approval("account", world.actors[role])
    beyond = "sibling" if role == "department_member" else "other_pool"
    return await world.approval("department" if inside else beyond, await world.buyer())


async def _policy(world: World, role: str, inside: bool) -> str:
    return await world.policy(minimum_credits=900_000_000, approvers=("approver",))


async def _watched(world: World, role: str, inside: bool) -> str:
    # The approver is named by the account's policy, the owner by that of the other pool: each is told of one.
    for place in ("department", "other_pool"):
        await world.purchase(place, await world.buyer(), quantity=MUCH)
    return world.id_of("account")


PLACE, WALLET = _ids(), _ids(wallets=True)
_BUY = """mutation ($id: ID!, $key: String!) { done: purchaseCredits(input: {walletId: $id, packageCode: "STARTER",
  idempotencyKey: $key}) { purchase { id status } userErrors { code } } }"""
_CANCEL = """mutation ($id: ID!) { done: cancelPurchase(input: {purchaseId: $id}) { purchase { status }
  userErrors { code } } }"""
_SPEND = """mutation ($id: ID!, $key: String!) { done: deductCredits(input: {walletId: $id, stagingType: "BASIC_ROOM",
  idempotencyKey: $key}) { transaction { change } userErrors { code } } }"""
_SPEND_MANY = """mutation ($id: ID!, $key: String!) { done: deductCreditsMany(input: {deductions: [{walletId: $id,
  stagingType: "BASIC_ROOM", idempotencyKey: $key}]}) { posted results { transaction { change } } } }"""
_REFUND = """mutation ($id: ID!, $key: String!) { done: refundDeduction(input: {transactionId: $id, reason: QUALITY,
  idempotencyKey: $key}) { transaction { change } userErrors { code } } }"""
_ESTIMATE = """query ($id: ID!) { done: estimate(walletId: $id, items: [{stagingType: "BASIC_ROOM"}]) {
  estimate { credits sufficient missing } userErrors { code } } }"""
_PLACE_HOLD = """mutation ($id: ID!, $key: String!) { done: placeHold(input: {walletId: $id, idempotencyKey: $key,
  items: [{stagingType: "BASIC_ROOM"}]}) { hold { id open } balance { held } userErrors { code } } }"""
_CAPTURE = """mutation ($id: ID!, $key: String!) { done: captureHold(input: {holdId: $id, idempotencyKey: $key}) {
  hold { status } transactions { change } userErrors { code } } }"""
_RELEASE = """mutation ($id: ID!, $key: String!) { done: releaseHold(input: {holdId: $id, idempotencyKey: $key}) {
  hold { status } userErrors { code } } }"""
_EXTEND = """mutation ($id: ID!, $key: String!) { done: extendHold(input: {holdId: $id, expiresInSeconds: 600,
  idempotencyKey: $key}) { hold { expiresAt } userErrors { code } } }"""
_TO_POOL = """mutation ($id: ID!, $pool: ID!, $key: String!) { done: allocateCredits(input: {fromWalletId: $id,
  toWalletId: $pool, credits: 1, idempotencyKey: $key}) { from { id } to { id } transactions { change }
  userErrors { code } } }"""
_TO_DEPARTMENT = _TO_POOL.replace("$pool", "$department")
_ADJUST = """mutation ($id: ID!, $key: String!) { done: adjustCredits(input: {walletId: $id, change: -1,
  reason: "A test", idempotencyKey: $key}) { transaction { change } userErrors { code } } }"""
_GRANT = """mutation ($id: ID!, $key: String!) { done: grantCredits(input: {walletId: $id, credits: 5, reason: "A test",
  idempotencyKey: $key}) { transaction { change } userErrors { code } } }"""
_OPEN = """mutation ($key: String!) { done: createAccount(input: {name: "Made", kind: INDIVIDUAL, ownerName: "Made",
  ownerEmail: "made@world.example", idempotencyKey: $key}) { account { id } userErrors { code } } }"""
_APPROVE = """mutation ($id: ID!) { done: approvePurchase(input: {purchaseId: $id}) { purchase { status }
  userErrors { code } } }"""
_REJECT = """mutation ($id: ID!) { done: rejectPurchase(input: {purchaseId: $id, reason: "Too much"}) {
  purchase { status } userErrors { code } } }"""
_SET_POLICY = """mutation ($id: ID!, $people: [ID!]!) { done: setApprovalPolicy(input: {accountId: $id,
  minimumCredits: 800000000, approverIds: $people}) { approvalPolicy { id } userErrors { code } } }"""
_DELETE_POLICY = """mutation ($id: ID!) { done: deleteApprovalPolicy(input: {id: $id}) { id userErrors { code } } }"""
_SET_ALERT = """mutation ($id: ID!) { done: setBalanceAlert(input: {walletId: $id, threshold: 3}) { wallet { id }
  userErrors { code } } }"""
_SNOOZE = """mutation ($id: ID!) { done: snoozeAlert(input: {walletId: $id}) { wallet { id }
  userErrors { code } } }"""
_LIVE = "subscription ($id: ID!) { balanceChanged(walletId: $id) { walletId balance { available } } }"
_LIVE_ACCOUNT = "subscription ($id: ID!) { accountBalanceChanged(accountId: $id) { walletId balance { available } } }"
_LIVE_PURCHASE = "subscription ($id: ID!) { purchaseUpdated(purchaseId: $id) { id status } }"
_LIVE_APPROVALS = "subscription ($id: ID!) { approvalUpdated(accountId: $id) { id status } }"


def _query(field: str, inner: str = "") -> str:
    return f"query ($id: ID!) {{ {field}(id: $id) {{ id {inner} }} }}"


ROWS = {
    "viewer": Row("{ viewer { operator actor { id } } }", None, ("viewer", "actor")),
    "packages": Row("{ packages { code } }", None, ("packages",)),
    "stagingTypes": Row("{ stagingTypes { code } }", None, ("stagingTypes",)),
    "node": Row(_query("node"), _node, ("node",)),
    "account": Row(_query("account", "name"), PLACE["account"], ("account",)),
    "account.wallet": Row(
        _query("account", "wallet { id balance { credits } }"), PLACE["account"], ("account", "wallet")
    ),
    "account.totalAvailable": Row(_query("account", "totalAvailable"), PLACE["account"], ("account", "totalAvailable")),
    "account.pools": Row(_query("account", "pools { id }"), PLACE["account"], ("account", "pools")),
    "account.members": Row(
        _query("account", "members { nodes { role } }"), PLACE["account"], ("account", "members", "nodes")
    ),
    "account.transactions": Row(
        _query("account", "transactions { nodes { id } }"), PLACE["account"], ("account", "transactions", "nodes")
    ),
    "account.purchases": Row(
        _query("account", "purchases { nodes { id } }"), PLACE["account"], ("account", "purchases", "nodes")
    ),
    "account.approvals": Row(
        _query("account", "approvals { nodes { id } }"), PLACE["account"], ("account", "approvals", "nodes")
    ),
    "account.approvalPolicies": Row(
        _query("account", "approvalPolicies { id minimumCredits }"), PLACE["account"], ("account", "approvalPolicies")
    ),
    "pool": Row(_query("pool", "name"), PLACE["pool"], ("pool",)),
    "department": Row(_query("department", "name"), PLACE["department"], ("department",)),
    **{
        f"wallet({of})": Row(_query("wallet", "balance { credits }"), WALLET[of], ("wallet", "balance"))
        for of in ("account", "pool", "department")
    },
    **{
        f"wallet.{what}({of})": Row(_query("wallet", f"{what} {{ nodes {{ id }} }}"), WALLET[of], ("wallet", what))
        for what, of in (
            ("transactions", "account"),
            ("transactions", "pool"),
            ("transactions", "department"),
            ("lots", "account"),
            ("lots", "department"),
            ("holds", "account"),
            ("holds", "department"),
        )
    },
    "wallet.alert(account)": Row(_query("wallet", "alert { threshold }"), WALLET["account"], ("wallet", "alert")),
    "transaction": Row(_query("transaction", "change"), _transaction, ("transaction",)),
    "hold": Row(_query("hold", "status wallet { id }"), _hold, ("hold",)),
    **{f"estimate({of})": Row(_ESTIMATE, WALLET[of], ("done", "estimate")) for of in WALLET},
    "purchase": Row(_query("purchase", "status"), _purchase, ("purchase",)),
    "approval": Row(_query("approval", "status"), _approval, ("approval",)),
    **{f"purchaseCredits({of})": Row(_BUY, WALLET[of], ("done", "purchase")) for of in WALLET},
    "cancelPurchase(own)": Row(_CANCEL, _own_purchase, ("done", "purchase")),
    "cancelPurchase(another's)": Row(_CANCEL, _anothers_purchase, ("done", "purchase")),
    **{f"deductCredits({of})": Row(_SPEND, WALLET[of], ("done", "transaction")) for of in WALLET},
    "deductCreditsMany(department)": Row(_SPEND_MANY, WALLET["department"], ("done", "results", 0, "transaction")),
    "refundDeduction(account)": Row(_REFUND, _spent_by_the_account, ("done", "transaction")),
    "refundDeduction(department)": Row(_REFUND, _spent_by_the_department, ("done", "transaction")),
    **{f"placeHold({of})": Row(_PLACE_HOLD, WALLET[of], ("done", "hold")) for of in ("account", "department")},
    "captureHold(department)": Row(_CAPTURE, _new_hold, ("done", "hold")),
    "releaseHold(department)": Row(_RELEASE, _new_hold, ("done", "hold")),
    "extendHold(department)": Row(_EXTEND, _new_hold, ("done", "hold")),
    "allocateCredits(account to pool)": Row(_TO_POOL, WALLET["account"], ("done", "to")),
    "allocateCredits(pool to department)": Row(_TO_DEPARTMENT, WALLET["pool"], ("done", "to")),
    "approvePurchase(own)": Row(_APPROVE, _own_request, ("done", "purchase")),
    "approvePurchase(another's)": Row(_APPROVE, _anothers_request, ("done", "purchase")),
    "rejectPurchase(another's)": Row(_REJECT, _anothers_request, ("done", "purchase")),
    "setApprovalPolicy": Row(_SET_POLICY, PLACE["account"], ("done", "approvalPolicy")),
    "deleteApprovalPolicy": Row(_DELETE_POLICY, _policy, ("done", "id")),
    **{f"setBalanceAlert({of})": Row(_SET_ALERT, WALLET[of], ("done", "wallet")) for of in ("account", "department")},
    "snoozeAlert(department)": Row(_SNOOZE, WALLET["department"], ("done", "wallet")),
    "createAccount": Row(_OPEN, None, ("done", "account")),
    "grantCredits": Row(_GRANT, WALLET["account"], ("done", "transaction")),
    "adjustCredits": Row(_ADJUST, WALLET["account"], ("done", "transaction")),
    **{f"balanceChanged({of})": Row(_LIVE, WALLET[of], ("balanceChanged", "balance")) for of in WALLET},
    "accountBalanceChanged": Row(_LIVE_ACCOUNT, PLACE["account"], ("accountBalanceChanged", "balance")),
    "approvalUpdated": Row(_LIVE_APPROVALS, _watched, ("approvalUpdated",)),
    "purchaseUpdated": Row(_LIVE_PURCHASE, _purchase, ("purchaseUpdated",)),
}
