"""Why no experiment can be made of what was said."""


class CannotBe(Exception):
    """Raised where no experiment can be made of what was said: a line, and what to do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint
