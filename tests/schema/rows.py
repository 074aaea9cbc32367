"""How each row of authorization.csv that is built is asked for."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from credits.access.keys import hash_of
from credits.access.models import ApiKey
from credits.accounts.models import AccountRole
from credits.accounts.rules import Scope
from credits.actors import SYSTEM
from credits.approvals.models import Approval, ApprovalStatus
from credits.catalogue.prices import set_agreement
from credits.chat.workspaces import connect
from credits.gateways.chat import Installed, Workspace
from credits.money import UnitPrice
from credits.purchases import queries
from credits.purchases.models import Purchase, PurchaseStatus
from credits.top_ups.service import TopUpInput, set_auto_top_up
from tests.app.routes.support import add_key
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


async def _connected(world: World, role: str, inside: bool) -> str:
    """The account, with a workspace of its own."""
    account_id = world.id_of("account" if inside else "individual")
    workspace = Workspace(id="T0NOBODYS1", org="T0NOBODYS1", token="xoxb-nobodys")
    installed = Installed(workspace=workspace, name="Nobody's", by="U0NOBODYS1")
    await connect(world.service.shared.messenger.workspaces, world.actors["owner"], account_id, installed)
    return account_id


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


async def _paid_purchase(world: World, role: str, inside: bool) -> str:
    purchase = await queries.purchase(await world.purchase("account", await world.buyer()))
    await world.service.pay(purchase.checkout_url or "")
    return purchase.id


async def _own_lapsed(world: World, role: str, inside: bool) -> str:
    # Bought by somebody new: with all that the role has bought in these tests, its own would need approval.
    purchase = await queries.purchase(await world.purchase("account", await world.buyer()))
    await world.service.pay(purchase.checkout_url or "", "expire")
    own = world.actors[role]
    await Purchase.filter(id=purchase.id).update(requested_by_kind=own.kind, requested_by_id=own.id)
    return purchase.id


async def _own_expired(world: World, role: str, inside: bool) -> str:
    request = Approval.filter(id=await world.approval("account", await world.buyer()))
    asked = await request.get()
    purchase_id, own = str(asked.__dict__["purchase_id"]), world.actors[role]
    await request.update(status=ApprovalStatus.EXPIRED, decided_at=asked.created_at)
    await Purchase.filter(id=purchase_id).update(
        status=PurchaseStatus.EXPIRED, requested_by_kind=own.kind, requested_by_id=own.id
    )
    return purchase_id


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


async def _pool_to_delete(world: World, role: str, inside: bool) -> str:
    return world.id_of("pool") if role == "pool_admin" else await world.new_pool()


async def _department_to_delete(world: World, role: str, inside: bool) -> str:
    if role == "department_member":
        return world.id_of("department")
    return await world.new_department("pool" if inside else "other_pool")


def _with_a_newcomer(subject: Subject) -> Subject:
    """The same, with a new member whom `$person` stands for."""

    async def asked(world: World, role: str, inside: bool) -> str:
        world.newcomer = (await world.hire(AccountRole.MEMBER)).id
        return await subject(world, role, inside)

    return asked


async def _api_key(world: World, role: str, inside: bool) -> str:
    secret = await add_key(world.id_of("account"), frozenset({Scope.READ}))
    return (await ApiKey.get(secret_hash=hash_of(secret))).id


async def _topped_up(world: World, role: str, inside: bool) -> str:
    wallet_id = world.wallet_of("account" if inside else "individual")
    wanted = TopUpInput(threshold=3, package_code="STARTER", quantity=1, monthly_limit_minor=None, enabled=True)
    await set_auto_top_up(SYSTEM, wallet_id, wanted)
    return wallet_id


PLACE, WALLET = _ids(), _ids(wallets=True)


async def _with_an_agreement(world: World, role: str, inside: bool) -> str:
    account_id = await PLACE["account"](world, role, inside)
    price = UnitPrice(Decimal(150), "USD")
    await set_agreement(SYSTEM, account_id, minimum_credits=1_000, unit=price, valid_until=None)
    return account_id


_BUY = """mutation ($id: ID!, $key: String!) { done: purchaseCredits(input: {walletId: $id, packageCode: "STARTER",
  idempotencyKey: $key}) { purchase { id status } userErrors { code } } }"""
_CANCEL = """mutation ($id: ID!) { done: cancelPurchase(input: {purchaseId: $id}) { purchase { status }
  userErrors { code } } }"""
_RENEW = _CANCEL.replace("cancelPurchase", "renewCheckout")
_ASK_AGAIN = _CANCEL.replace("cancelPurchase", "renewApproval")
_REFUND_MONEY = """mutation ($id: ID!, $key: String!) { done: refundPurchase(input: {purchaseId: $id, reason: "A test",
  idempotencyKey: $key}) { purchase { refundedTotal { formatted } } userErrors { code } } }"""
_QUOTE = """query ($id: ID!) { done: quotePurchase(walletId: $id, packageCode: "STARTER") {
  quote { credits total { amountMinor } } userErrors { code } } }"""
_ASK_FOR_A_PRICE = """mutation ($id: ID!) { done: requestQuote(input: {accountId: $id, credits: 1000}) { requested
  userErrors { code } } }"""
_AGREE = """mutation ($id: ID!) { done: setPriceAgreement(input: {accountId: $id, minimumCredits: 1000,
  unitPriceMinor: "150"}) { account { id } userErrors { code } } }"""
_SET_PACKAGE = """mutation { done: setPackage(input: {code: "MATRIX", name: "Matrix", credits: 1, priceMinor: 1,
  active: false}) { package { code } userErrors { code } } }"""
_SET_STAGING_TYPE = """mutation { done: setStagingType(input: {code: "MATRIX", name: "Matrix", credits: 1,
  active: false}) { stagingType { code } userErrors { code } } }"""
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
_EXPORT = """mutation ($id: ID!) { done: exportTransactions(input: {accountId: $id, filter: {kinds: [GRANT]}}) {
  url expiresAt userErrors { code } } }"""
_TO_POOL = """mutation ($id: ID!, $pool: ID!, $key: String!) { done: allocateCredits(input: {fromWalletId: $id,
  toWalletId: $pool, credits: 1, idempotencyKey: $key}) { from { id } to { id } transactions { change }
  userErrors { code } } }"""
_TO_DEPARTMENT = _TO_POOL.replace("$pool", "$department")
_SET_ORDER = """mutation ($id: ID!) { done: setAllocationRule(input: {departmentId: $id, credits: 5}) {
  department { allocationRule { credits nextRun } } userErrors { code } } }"""
_ASK_FOR_MORE = """mutation ($id: ID!) { done: requestAllocation(input: {departmentId: $id, credits: 5,
  reason: "A test"}) { requested userErrors { code } } }"""
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
_CONNECT = """mutation ($id: ID!) { done: connectSlack(input: {accountId: $id}) { url userErrors { code } } }"""
_DISCONNECT = """mutation ($id: ID!) { done: disconnectSlack(input: {accountId: $id}) { account { id }
  userErrors { code } } }"""
_LINK = """mutation ($ticket: String!) { done: linkSlackUser(input: {token: $ticket}) { user { id }
  userErrors { code } } }"""
_DELETE_POLICY = """mutation ($id: ID!) { done: deleteApprovalPolicy(input: {id: $id}) { id userErrors { code } } }"""
_SET_ALERT = """mutation ($id: ID!) { done: setBalanceAlert(input: {walletId: $id, threshold: 3}) { wallet { id }
  userErrors { code } } }"""
_SET_TOP_UP = """mutation ($id: ID!) { done: setAutoTopUp(input: {walletId: $id, threshold: 3,
  packageCode: "STARTER"}) { wallet { id } userErrors { code } } }"""
_SNOOZE = """mutation ($id: ID!) { done: snoozeAlert(input: {walletId: $id}) { wallet { id }
  userErrors { code } } }"""
_RENAME_ACCOUNT = """mutation ($id: ID!, $key: String!) { done: updateAccount(input: {accountId: $id, name: $key}) {
  account { id name } userErrors { code } } }"""
_SUSPEND = """mutation ($id: ID!) { done: suspendAccount(input: {accountId: $id, suspended: false, reason: "A test"}) {
  account { id suspended } userErrors { code } } }"""
_CREATE_POOL = """mutation ($id: ID!, $key: String!) { done: createPool(input: {accountId: $id, name: $key}) {
  pool { id name } userErrors { code } } }"""
_RENAME_POOL = """mutation ($id: ID!, $key: String!) { done: renamePool(input: {id: $id, name: $key}) {
  pool { id name } userErrors { code } } }"""
_TELL_POOL = """mutation ($id: ID!) { done: setPoolNotifications(input: {poolId: $id, weeklyDigest: false}) {
  pool { notifications { weeklyDigest } } userErrors { code } } }"""
_CREATE_DEPARTMENT = """mutation ($id: ID!, $key: String!) { done: createDepartment(input: {poolId: $id, name: $key}) {
  department { id name } userErrors { code } } }"""
_RENAME_DEPARTMENT = _RENAME_POOL.replace("renamePool", "renameDepartment").replace("pool {", "department {")
_DELETE = "mutation ($id: ID!) { done: %s(input: {id: $id}) { id userErrors { code } } }"
_ADD_MEMBER = """mutation ($id: ID!, $email: String!) { done: addMember(input: {accountId: $id, email: $email,
  name: "New", role: MEMBER}) { membership { role user { name } } userErrors { code } } }"""
_SET_ROLE = """mutation ($id: ID!, $person: ID!) { done: setMemberRole(input: {accountId: $id, userId: $person,
  role: AUDITOR}) { membership { role } userErrors { code } } }"""
_REMOVE_MEMBER = """mutation ($id: ID!, $person: ID!) { done: removeMember(input: {accountId: $id, userId: $person}) {
  account { id } userErrors { code } } }"""
_OF_POOL = """mutation ($id: ID!, $person: ID!) { done: %s(input: {poolId: $id, userId: $person}) {
  pool { id administrators { id } } userErrors { code } } }"""
_OF_DEPARTMENT = """mutation ($id: ID!, $person: ID!) { done: %s(input: {departmentId: $id, userId: $person}) {
  department { id members { id } } userErrors { code } } }"""
_CREATE_KEY = """mutation ($id: ID!) { done: createApiKey(input: {accountId: $id, name: "A key", scopes: ["read"]}) {
  apiKey { id } secret userErrors { code } } }"""
_REVOKE_KEY = """mutation ($id: ID!) { done: revokeApiKey(input: {id: $id}) { id userErrors { code } } }"""
_LIVE = "subscription ($id: ID!) { balanceChanged(walletId: $id) { walletId balance { available } } }"
_LIVE_ACCOUNT = "subscription ($id: ID!) { accountBalanceChanged(accountId: $id) { walletId balance { available } } }"
_LIVE_PURCHASE = "subscription ($id: ID!) { purchaseUpdated(purchaseId: $id) { id status } }"
_LIVE_APPROVALS = "subscription ($id: ID!) { approvalUpdated(accountId: $id) { id status } }"

_USAGE = 'usage(from: "2026-01-01", to: "2026-12-31") { credits rows { key credits } }'


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
    "account.priceAgreement": Row(
        _query("account", "priceAgreement { minimumCredits }"), _with_an_agreement, ("account", "priceAgreement")
    ),
    "account.apiKeys": Row(_query("account", "apiKeys { id prefix }"), PLACE["account"], ("account", "apiKeys")),
    "createApiKey": Row(_CREATE_KEY, PLACE["account"], ("done", "secret")),
    "revokeApiKey": Row(_REVOKE_KEY, _api_key, ("done", "id")),
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
    **{
        f"wallet.statement({of})": Row(
            _query("wallet", f'statement(month: "{datetime.now(UTC).date()}") {{ closing csvUrl pdfUrl }}'),
            WALLET[of],
            ("wallet", "statement"),
        )
        for of in ("account", "pool")
    },
    **{
        row: Row(_query(of, _USAGE), subject, (of, "usage", "rows"))
        for row, of, subject in (
            ("account.usage", "account", PLACE["account"]),
            ("pool.usage", "pool", PLACE["pool"]),
            ("wallet.usage(account)", "wallet", WALLET["account"]),
            ("wallet.usage(department)", "wallet", WALLET["department"]),
        )
    },
    **{
        f"wallet.forecast({of})": Row(
            _query("wallet", "forecast { dailyUse creditsAtRisk }"), WALLET[of], ("wallet", "forecast")
        )
        for of in ("account", "department")
    },
    "wallet.alert(account)": Row(_query("wallet", "alert { threshold }"), WALLET["account"], ("wallet", "alert")),
    "wallet.autoTopUp(account)": Row(_query("wallet", "autoTopUp { threshold }"), _topped_up, ("wallet", "autoTopUp")),
    "transaction": Row(_query("transaction", "change"), _transaction, ("transaction",)),
    "hold": Row(_query("hold", "status wallet { id }"), _hold, ("hold",)),
    **{f"estimate({of})": Row(_ESTIMATE, WALLET[of], ("done", "estimate")) for of in WALLET},
    "purchase": Row(_query("purchase", "status"), _purchase, ("purchase",)),
    "approval": Row(_query("approval", "status"), _approval, ("approval",)),
    **{f"purchaseCredits({of})": Row(_BUY, WALLET[of], ("done", "purchase")) for of in WALLET},
    **{f"quotePurchase({of})": Row(_QUOTE, WALLET[of], ("done", "quote")) for of in WALLET},
    "requestQuote": Row(_ASK_FOR_A_PRICE, PLACE["account"], ("done", "requested")),
    "setPriceAgreement": Row(_AGREE, PLACE["account"], ("done", "account")),
    "setPackage": Row(_SET_PACKAGE, None, ("done", "package")),
    "setStagingType": Row(_SET_STAGING_TYPE, None, ("done", "stagingType")),
    "cancelPurchase(own)": Row(_CANCEL, _own_purchase, ("done", "purchase")),
    "renewCheckout(own)": Row(_RENEW, _own_lapsed, ("done", "purchase")),
    "renewApproval(own)": Row(_ASK_AGAIN, _own_expired, ("done", "purchase")),
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
    "setAllocationRule": Row(_SET_ORDER, PLACE["department"], ("done", "department", "allocationRule")),
    "requestAllocation": Row(_ASK_FOR_MORE, PLACE["department"], ("done", "requested")),
    "approvePurchase(own)": Row(_APPROVE, _own_request, ("done", "purchase")),
    "approvePurchase(another's)": Row(_APPROVE, _anothers_request, ("done", "purchase")),
    "rejectPurchase(another's)": Row(_REJECT, _anothers_request, ("done", "purchase")),
    "setApprovalPolicy": Row(_SET_POLICY, PLACE["account"], ("done", "approvalPolicy")),
    "account.slack": Row(_query("account", "slack { team }"), _connected, ("account", "slack")),
    "connectSlack": Row(_CONNECT, PLACE["account"], ("done", "url")),
    "disconnectSlack": Row(_DISCONNECT, _connected, ("done", "account")),
    "linkSlackUser": Row(_LINK, None, ("done", "user")),
    "deleteApprovalPolicy": Row(_DELETE_POLICY, _policy, ("done", "id")),
    **{f"setBalanceAlert({of})": Row(_SET_ALERT, WALLET[of], ("done", "wallet")) for of in ("account", "department")},
    "setAutoTopUp(account)": Row(_SET_TOP_UP, WALLET["account"], ("done", "wallet")),
    "snoozeAlert(department)": Row(_SNOOZE, WALLET["department"], ("done", "wallet")),
    "exportTransactions": Row(_EXPORT, PLACE["account"], ("done", "url")),
    "accounts": Row("{ accounts(first: 1) { nodes { id } } }", None, ("accounts", "nodes")),
    "account.auditLog": Row(
        _query("account", "auditLog { nodes { id } }"), PLACE["account"], ("account", "auditLog", "nodes")
    ),
    "updateAccount": Row(_RENAME_ACCOUNT, PLACE["account"], ("done", "account")),
    "suspendAccount": Row(_SUSPEND, PLACE["account"], ("done", "account")),
    "createPool": Row(_CREATE_POOL, PLACE["account"], ("done", "pool")),
    "renamePool": Row(_RENAME_POOL, PLACE["pool"], ("done", "pool")),
    "deletePool": Row(_DELETE % "deletePool", _pool_to_delete, ("done", "id")),
    "setPoolNotifications": Row(_TELL_POOL, PLACE["pool"], ("done", "pool")),
    "createDepartment": Row(_CREATE_DEPARTMENT, PLACE["pool"], ("done", "department")),
    "renameDepartment": Row(_RENAME_DEPARTMENT, PLACE["department"], ("done", "department")),
    "deleteDepartment": Row(_DELETE % "deleteDepartment", _department_to_delete, ("done", "id")),
    "addMember": Row(_ADD_MEMBER, PLACE["account"], ("done", "membership")),
    "setMemberRole": Row(_SET_ROLE, _with_a_newcomer(PLACE["account"]), ("done", "membership")),
    "removeMember": Row(_REMOVE_MEMBER, _with_a_newcomer(PLACE["account"]), ("done", "account")),
    **{
        f"{verb}PoolAdministrator": Row(
            _OF_POOL % f"{verb}PoolAdministrator", _with_a_newcomer(PLACE["pool"]), ("done", "pool")
        )
        for verb in ("add", "remove")
    },
    **{
        f"{verb}DepartmentMember": Row(
            _OF_DEPARTMENT % f"{verb}DepartmentMember", _with_a_newcomer(PLACE["department"]), ("done", "department")
        )
        for verb in ("add", "remove")
    },
    "createAccount": Row(_OPEN, None, ("done", "account")),
    "refundPurchase": Row(_REFUND_MONEY, _paid_purchase, ("done", "purchase")),
    "grantCredits": Row(_GRANT, WALLET["account"], ("done", "transaction")),
    "adjustCredits": Row(_ADJUST, WALLET["account"], ("done", "transaction")),
    **{f"balanceChanged({of})": Row(_LIVE, WALLET[of], ("balanceChanged", "balance")) for of in WALLET},
    "accountBalanceChanged": Row(_LIVE_ACCOUNT, PLACE["account"], ("accountBalanceChanged", "balance")),
    "approvalUpdated": Row(_LIVE_APPROVALS, _watched, ("approvalUpdated",)),
    "purchaseUpdated": Row(_LIVE_PURCHASE, _purchase, ("purchaseUpdated",)),
}
