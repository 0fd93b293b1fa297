"""Bad input: what is wrong, where, and what to do about it. Nothing was changed when one is raised."""


class BadExperiment(Exception):
    """Raised when an experiment can't be run as it stands."""

    def __init__(self, what: str, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        #: One line, no full stop.
        self.what = what
        #: file, or file:line:column, or file and path in the document.
        self.where = where
        #: What to do next.
        self.hint = hint
