"""What sites put in place of sbatch."""

from fakes.slurm.sites import Site

#: All but the last word, which is the script.
OPTIONS = """for script; do :; done
count=$#
while [ $count -gt 1 ]; do set -- "$@" "$1"; shift; count=$((count - 1)); done
shift
"""
WRAPPERS = {
    "chatty": 'echo "*** Welcome, 12 ***"; "$REAL" "$@"; echo "3 hours left" >&2; exit 0',
    "without --parsable": f'{OPTIONS}shift\necho 12 hours left\nexec "$REAL" "$@" "$script"',
    "failing after all": '"$REAL" "$@"; echo "cannot log this" >&2; exit 3',
    "a copy": f'{OPTIONS}copy=$(mktemp)\ncp "$script" "$copy"\n"$REAL" "$@" "$copy"\nrm "$copy"',
    "a copy from its input": f'{OPTIONS}"$REAL" "$@" <"$script"',
    "a chatty copy": f'{OPTIONS}shift\ncopy=$(mktemp)\ncp "$script" "$copy"\necho "you pay 7"\nexec "$REAL" "$@" "$copy"',
}


def wrapped(site: Site, wrapper: str) -> None:
    """From now on with this in place of sbatch."""
    bin = site.dir / "bin"
    bin.mkdir()
    (bin / "sbatch").write_text(f"#!/bin/sh\n{wrapper}\n")
    (bin / "sbatch").chmod(0o755)
    site.give(bin)
    site.behind(prepend=[f"export REAL=$(command -v sbatch) PATH={bin}:$PATH"])
