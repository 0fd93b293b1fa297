"""Exit codes, for scripts."""

from runexp.wire.states import Outcome

OK = 0
REFUSED = 1
USAGE = 2
PARTIAL = 3
FAILED = 4
CANCELLED = 5
NOT_FINISHED = 6
NO_DAEMON = 7
#: All that was to be done was, but some results are of another recipe than the scaffold's, and nobody has decided about them.
UNDECIDED = 8
#: As shells say it: 128 and the signal's number.
INTERRUPTED = 130

HELP = (
    "Exit codes: 0 all succeeded, 1 refused, 2 wrong usage, 3 some succeeded, 4 failed, 5 cancelled, "
    "6 not finished yet, 7 no daemon, 8 changed since results were made, and nobody has decided."
)


def of(outcome: Outcome | None) -> int:
    """The exit code that says how an experiment ended; None: it hasn't."""
    match outcome:
        case None:
            return NOT_FINISHED
        case Outcome.SUCCEEDED:
            return OK
        case Outcome.PARTIAL:
            return PARTIAL
        case Outcome.FAILED:
            return FAILED
        case Outcome.CANCELLED:
            return CANCELLED
