"""The error that a user can mend: bad input, said in one sentence."""


class InputError(ValueError):
    """Bad input, in one sentence that says what is wrong, where, and what to do."""
