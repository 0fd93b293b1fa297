"""Bad input: what is wrong, where, and what to do about it. Nothing was changed when one is raised."""

from runexp.text import printable
from runexpd.experiments.limits import MESSAGE_CHARACTERS


class BadExperiment(Exception):
    """Raised when an experiment can't be run as it stands. Each part is one printable line, whatever it quotes."""

    def __init__(self, what: str, where: str, hint: str) -> None:
        #: No full stop.
        self.what = printable(what[:MESSAGE_CHARACTERS])
        #: file, or file:line:column, or file and path in the document.
        self.where = printable(where[:MESSAGE_CHARACTERS])
        #: What to do next.
        self.hint = printable(hint[:MESSAGE_CHARACTERS])
        super().__init__(self.what)

    def __reduce__(self) -> tuple[type["BadExperiment"], tuple[str, str, str]]:
        """Raised in a child process, it comes back whole."""
        return (type(self), (self.what, self.where, self.hint))
