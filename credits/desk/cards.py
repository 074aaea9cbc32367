"""Cards of balances, packages and help, as people see them who ask in the chat. Pure."""

from collections.abc import Sequence

from credits.approvals.requester_messages import PAY_ACTION
from credits.catalogue.rules import PackageView
from credits.desk.seeing import SeenWallet
from credits.gateways.cards import Button, Card
from credits.purchases.models import PurchaseStatus
from credits.purchases.queries import PurchaseView
from credits.reports.forecast import runway_in_words

BUY_ACTION = "buy"
BUY_PACKAGE_ACTION = "buy_package"
HERE_ACTION = "here"
# More than this is for the front-end.
MOST = 10
COMMANDS = (
    ("/credits balance", "What your wallets have, and for how long"),
    ("/credits pending", "What waits for your approval, and what you asked for"),
    ("/credits buy", "Buy credits"),
    ("/credits here", "Let the news of your account come to the channel in which you type it"),
    ("/credits help", "This"),
)


def balances_card(seen: Sequence[SeenWallet]) -> Card:
    """Each wallet in a line."""
    if not seen:
        return Card(summary="You can see no wallet from this workspace. Ask an owner of your account to add you.")
    shown = seen[:MOST]
    more = f"{len(seen) - MOST:,} more are in your platform." if len(seen) > MOST else None
    return Card(
        summary=f"{shown[0].name} has {shown[0].balance.available:,} credits",
        title="Balances",
        fields=tuple((each.name, has_in_words(each)) for each in shown),
        notes=(more,) if more else (),
    )


def has_in_words(seen: SeenWallet) -> str:
    """What it has, what of it is promised, and how long it lasts."""
    held = f", {seen.balance.held:,} held" if seen.balance.held else ""
    lasts = f"\n{runway_in_words(seen.forecast)}" if seen.forecast else ""
    return f"{seen.balance.available:,} credits{held}{lasts}"


def wallet_card(seen: SeenWallet) -> Card:
    """One wallet, and buying for it where that is theirs to do."""
    buy = Button(action=BUY_ACTION, label="Buy credits", value=seen.id)
    return Card(
        summary=f"{seen.name} has {seen.balance.available:,} credits",
        fields=((seen.name, has_in_words(seen)),),
        buttons=(buy,) if seen.may_buy else (),
    )


def choose_wallet_card(seen: Sequence[SeenWallet]) -> Card:
    """For which of them to buy."""
    if not seen:
        return Card(summary="There is no wallet that you may buy for. Ask an owner of your account.")
    return Card(
        summary="For which wallet do you want to buy credits?",
        text="For which wallet do you want to buy credits?",
        buttons=tuple(
            Button(action=f"{BUY_ACTION}.{number}", label=each.name, value=each.id)
            for number, each in enumerate(seen[:MOST])
        ),
    )


def packages_card(wallet_name: str, wallet_id: str, packages: Sequence[PackageView]) -> Card:
    """What there is to buy at a fixed price."""
    buttons = tuple(_package_button(each, wallet_name, wallet_id) for each in packages if each.price is not None)
    return Card(
        summary=f"Buy credits for {wallet_name}",
        title="Buy credits",
        text=f"Which package for {wallet_name}?",
        buttons=buttons,
        notes=("Larger amounts have a price of their own: ask for it in your platform.",),
    )


def _package_button(package: PackageView, wallet_name: str, wallet_id: str) -> Button:
    assert package.price is not None  # noqa: S101 for mypy: only those with a price are shown
    price = package.price.formatted
    return Button(
        action=f"{BUY_PACKAGE_ACTION}.{package.code}",
        label=f"{package.name}: {package.credits:,} for {price}",
        value=f"{wallet_id}:{package.code}",
        confirm=f"Buy {package.credits:,} credits for {wallet_name} at {price}? You pay on the next page.",
    )


def bought_card(purchase: PurchaseView, wallet_name: str, approvers: str) -> Card:
    """How a purchase that was just made goes on."""
    what = f"{purchase.credits:,} credits for {wallet_name}, {purchase.total.formatted}"
    if purchase.status is PurchaseStatus.PENDING_APPROVAL:
        text = f"{what}: this needs approval. {approvers} You get a message once it is decided."
        return Card(summary=text, text=text)
    if purchase.status is PurchaseStatus.AWAITING_PAYMENT and purchase.checkout_url:
        pay = Button(
            action=PAY_ACTION,
            label=f"Pay {purchase.total.formatted}",
            value=purchase.id,
            style="primary",
            url=purchase.checkout_url,
        )
        return Card(summary=f"{what}: pay to get them", text=f"{what}. They are there once it is paid.", buttons=(pay,))
    text = f"{what}: {purchase.failure_reason or purchase.status.value.replace('_', ' ').lower()}."
    return Card(summary=text, text=text)


def asked_for_card(purchases: Sequence[PurchaseView]) -> Card:
    """What somebody asked for and nobody has decided yet."""
    return Card(
        summary="What you asked for",
        title="You asked for",
        fields=tuple(
            (f"{each.credits:,} credits", f"{each.total.formatted}, waits for approval") for each in purchases
        ),
    )


def nothing_waits_card() -> Card:
    """There is nothing to decide."""
    return Card(summary="Nothing waits for you.", text="Nothing waits for you.")


def help_card(unknown: str = "") -> Card:
    """What can be typed."""
    text = f"I don't know \u201c{unknown[:80]}\u201d. This is what I do:" if unknown else "This is what I do:"
    return Card(summary="What /credits does", title="Credits", text=text, fields=COMMANDS)
