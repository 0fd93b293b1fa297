"""What the client can't do, in the form it is printed: what, where, what to do next. No tracebacks."""

from runexp.exits import Exit
from runexp.wire.refusals import Refused


class Trouble(Exception):
    """Raised to end a command with an error line, and a hint where there is one."""

    code = "error"
    exit = Exit.ERROR

    def __init__(self, what: str, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint


class Misused(Trouble):
    """Raised when a command can't be meant as it was given."""

    code = "usage"
    exit = Exit.USAGE


class NotRunning(Trouble):
    """Raised when no daemon listens."""

    code = "no_daemon"
    exit = Exit.NO_DAEMON


class Lost(Trouble):
    """Raised when the daemon went away before it had said all."""

    code = "lost"


class OtherVersion(Trouble):
    """Raised when client and daemon can't understand each other."""

    code = "version"


class Refusal(Trouble):
    """Raised when the daemon won't."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.what, refused.where, refused.hint)
        self.refused = refused
        self.code = refused.code.value
