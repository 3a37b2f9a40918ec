"""The errors that a user can mend or has wished for, each said in one sentence."""


class InputError(ValueError):
    """Bad input, in one sentence that says what is wrong, where, and what to do."""


class WorkCancelledError(InputError):
    """Work was cancelled by a user."""

    def __init__(self) -> None:
        super().__init__("this was cancelled: start it again when you like")
