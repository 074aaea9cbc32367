"""What mutations take and answer that need nothing but an id."""

import strawberry

from schema.errors import UserError


@strawberry.input
class IdInput:
    id: strawberry.ID


@strawberry.type
class IdPayload:
    id: strawberry.ID | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
