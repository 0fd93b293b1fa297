"""How a handler says no."""

from runexp.wire.refusals import Code, Refused


class Refusal(Exception):
    """Raised to answer a request with a `Refused`."""

    def __init__(self, code: Code, what: str, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.refused = Refused(code=code, what=what, where=where, hint=hint)
