"""What is told to whoever sent a request that cannot be answered."""

BODY = "body"
"""The field that a problem of the whole body is told of."""


class Refused(Exception):
    """A request that cannot be answered.

    Attributes
    ----------
    status : int
        400 to 499; 503 where the server has too much to do.
    problems : list of dict
        field and reason of each.
    """

    def __init__(self, status: int, *problems: tuple[str, str]) -> None:
        super().__init__(status, problems)
        self.status = status
        self.problems = [{"field": name, "reason": reason} for name, reason in problems]
