"""The base of every error here that an operator can mend."""


class LocalProblem(Exception):
    """It does not work on this machine. The message says what is wrong and what to do."""
