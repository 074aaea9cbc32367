"""The one way in which the sandbox says no: a status and a sentence, in the shape that Stripe gives them.

The tests' face and the clock answer in the same shape, so that a caller reads all of them alike.
"""


class ApiError(Exception):
    """Answered as `{"error": {"type", "message", "code", "param"}}` with `status`."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self._parts = {"type": kind, "message": message, "code": code, "param": param}

    @property
    def body(self) -> dict[str, object]:
        """Stripe leaves out what does not apply."""
        return {"error": {name: value for name, value in self._parts.items() if value is not None}}


def no_such_session(session_id: str) -> ApiError:
    """Stripe's 404 for an id it does not know."""
    return ApiError(404, f"No such checkout.session: '{session_id}'", code="resource_missing", param="session")


class WrongState(ApiError):
    """The session is in `state`, where this cannot be done; nothing was changed."""

    def __init__(self, state: str, wanted: str) -> None:
        super().__init__(
            409, f"The session is {state.lower()}; this can only be done with one that is {wanted.lower()}."
        )
        self.state = state
