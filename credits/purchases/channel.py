"""Where changes of a purchase are told; the payload is its id, and readers read it again."""


def purchase_channel(purchase_id: str) -> str:
    """The channel of one purchase."""
    return f"purchase:{purchase_id}"
