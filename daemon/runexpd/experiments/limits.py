"""How much an experiment may hold. Whoever writes more meant something else, or means harm; each limit has its own error."""

from collections.abc import Sequence

#: A script, a config, a summary.
FILE_BYTES = 4 * 1024 * 1024
TOO_LARGE = f"larger than {FILE_BYTES // 1024 // 1024} MB"
SMALLER = "a summary, a script or a config is text: what else is in it belongs into a file of its own"
#: All scripts and configs of an experiment.
SCAFFOLD_BYTES = 256 * 1024 * 1024
#: What is fetched at one moment.
FETCH_BYTES = 64 * 1024 * 1024
FETCH_FILES = 2_000
#: Files and directories, four levels down.
ENTRIES = 200_000

#: Of a YAML document. Aliases can make a small document huge, so what one stands for counts each time.
NODES = 1_000_000
DEPTH = 50
SCALAR_CHARACTERS = 64 * 1024
#: Of what reads as a number or a date.
NUMBER_CHARACTERS = 64
WHOLE_NUMBER = 10**18
#: `<<` keys in one mapping.
MERGES = 16

RUNS = 20_000
#: Evaluations: tasks times epochs, over the whole matrix.
CELLS = 200_000
EPOCHS_OF_ENTRY = 10_000
#: The first epoch number that is none.
EPOCH = 1_000_000

DIRECTIVE_CHARACTERS = 16 * 1024
#: All `#SBATCH` lines of a script together.
DIRECTIVES_CHARACTERS = 64 * 1024

WARNINGS = 100
#: How much of something from outside is put into a message.
SHOWN_CHARACTERS = 200
#: Of a message.
MESSAGE_CHARACTERS = 2_000


def shown(text: str) -> str:
    """So much of it as a message can hold."""
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}... ({len(text)} characters)"


def listed(names: Sequence[str], most: int = 10) -> str:
    """`a, b, c and 7 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(shown, names[:most])) + more
