"""What everything with an id has in common."""

import strawberry


@strawberry.interface(description="Whatever has an id.")
class Node:
    id: strawberry.ID
