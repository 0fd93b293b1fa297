"""What may be called how in an experiment's summary: whoever writes one is held to it by whoever reads it."""

import re

#: Of runs and tasks: one directory, whatever reads it; no slash, no leading dot or dash, nothing a shell would see.
PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+=@,-]{0,199}")
PLAIN_RULE = "letters, digits and . _ - + = @ , are allowed, and no . or - at the start"
#: Of experiments.
MOST_CHARACTERS = 200
EXPERIMENT_RULE = "one line of plain text"


def is_experiments(name: str) -> bool:
    """Whether an experiment may be called so."""
    return bool(name.strip()) and name.isprintable() and len(name) <= MOST_CHARACTERS
