"""Moving old results out of the way, as a command: each into a directory beside it, and nothing is ever overwritten. Pure."""

from collections.abc import Sequence

#: What isn't there has been moved already, or is gone: this may be run again after it was cut short.
_SCRIPT = """
aside=$1; shift
for path; do
    into=${path%/*}/$aside
    [ -e "$path" ] || [ -L "$path" ] || continue
    mkdir -p -- "$into" || exit 1
    if [ -e "$into/${path##*/}" ]; then echo "$into/${path##*/} is there already" >&2; exit 1; fi
    mv -- "$path" "$into/" || exit 1
done
"""


def aside_command(experiment: str, number: int, paths: Sequence[str]) -> list[str]:
    """Moves `DIR/x` to `DIR/aside-EXPERIMENT-NUMBER/x`. Raises ValueError for a path that no result has."""
    for path in paths:
        if not path.startswith("/") or path.rstrip("/").count("/") < 2 or "/../" in f"{path}/":
            raise ValueError(f"no path of a result: {path!r}")
    return ["sh", "-c", _SCRIPT, "sh", f"aside-{experiment}-{number}", *(path.rstrip("/") for path in paths)]
