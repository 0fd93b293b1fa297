"""A command as a script for sh: what a shell has to do with it, and no more. Pure."""

import shlex
from collections.abc import Sequence


def pack(argv: Sequence[str], prepend: Sequence[str]) -> str:
    """A command as a script for sh. Lines put before it can neither write into its output nor read its input.

    Raises ValueError for a NUL in an argument, which no command can be given.
    """
    if any("\0" in word for word in argv):
        raise ValueError("an argument holds a NUL")
    return "\n".join([*before(prepend), f"exec {shlex.join(argv)}"])


def before(prepend: Sequence[str]) -> list[str]:
    """Those lines, kept from the command's output and input; none where there are none."""
    return ["{", *prepend, "} >&2 </dev/null"] if prepend else []
