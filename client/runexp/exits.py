"""Exit codes, for scripts."""

from runexp.wire.states import Outcome

#: All succeeded, or what was asked was done.
OK = 0
#: What was asked can't be done as things stand; the line says why, and what to do.
REFUSED = 1
#: No such command, option or name.
USAGE = 2
#: Some of it succeeded, or was fetched, and some not.
PARTIAL = 3
#: The experiment failed; or what was looked over or tested is not well.
FAILED = 4
#: The experiment was cancelled.
CANCELLED = 5
#: It has not ended yet; or the time that `wait` was given is over.
NOT_FINISHED = 6
#: No daemon answers.
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
