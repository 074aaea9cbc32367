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


def no_such(what: str, thing_id: str, *, param: str, status: int = 404) -> ApiError:
    """Stripe's answer to an id that it does not know: 404 in the address, 400 in a parameter."""
    return ApiError(status, f"No such {what}: '{thing_id}'", code="resource_missing", param=param)


class WrongState(ApiError):
    """The thing is in `state`, where this cannot be done; nothing was changed."""

    def __init__(self, what: str, state: str, wanted: str) -> None:
        super().__init__(
            409, f"The {what} is {state.lower()}; this can only be done with one that is {wanted.lower()}."
        )
        self.state = state
