"""A command as a script for sh: what a shell has to do with it, and no more. Pure."""

import shlex
from collections.abc import Sequence


def pack(argv: Sequence[str], prepend: Sequence[str]) -> str:
    """A command as a script for sh. Lines put before it can neither write into its output nor read its input.

    Raises ValueError for a NUL in an argument, which no command can be given.
    """
    if any("\0" in word for word in argv):
        raise ValueError("an argument holds a NUL")
    lines = ["{", *prepend, "} >&2 </dev/null"] if prepend else []
    return "\n".join([*lines, f"exec {shlex.join(argv)}"])
