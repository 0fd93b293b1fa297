"""What the user's account wishes of Slurm's commands, which is not meant for ours. Pure.

`SQUEUE_PARTITION` makes a job that runs be nowhere, `SBATCH_ARRAY_INX` makes many of one, `SLURM_CLUSTERS` asks elsewhere: all
that sbatch, squeue, sacct and the like take from the environment is taken out before a command. What the configuration
itself sets, in `prepend`, comes after it and stays.
"""

from collections.abc import Sequence

#: Where Slurm is: without these no command works on a site that needs them.
_KEPT = ("CONF", "CONF_SERVER", "BIN", "HOME", "LIB", "PATH", "PREFIX", "ROOT")
_COMMANDS = ("SACCT", "SACCTMGR", "SBATCH", "SCANCEL", "SCONTROL", "SINFO", "SLURM", "SQUEUE")
#: Names of what was taken out, for doctor; jobs don't get it.
LEFT_OUT = "RUNEXP_LEFT_OUT"
#: awk reads no text of env's, where a value may look like a name.
_LEFT_OUT = f"""$(awk 'BEGIN {{ for (name in ENVIRON)
  if (name ~ /^({"|".join(_COMMANDS)})_[A-Za-z0-9_]+$/ && name !~ /^SLURM_({"|".join(_KEPT)})$/) print name }}')"""
#: In whose place a shell may have exported a function; others stay, such as `module`.
_PROGRAMS = f"{' '.join(_COMMANDS).lower()} awk date grep id mkdir stat timeout uname xargs"
CLEAN = (
    f"unset -f {_PROGRAMS}; unset {LEFT_OUT}",
    f'{LEFT_OUT}="{_LEFT_OUT}"',
    f'test -z "${LEFT_OUT}" || {{ unset ${LEFT_OUT}; export {LEFT_OUT}; }}',
)
#: A cluster that the configuration names for sbatch is the one that all are asked about.
_TOGETHER = 'test -z "${SBATCH_CLUSTERS:-}" || { SLURM_CLUSTERS=$SBATCH_CLUSTERS; export SLURM_CLUSTERS; }'


def before(prepend: Sequence[str]) -> tuple[str, ...]:
    """Lines of shell to put before every command: the account's wishes go, then the configuration's come."""
    return (*CLEAN, *prepend, _TOGETHER)
