"""A look at a Slurm cluster, judged: what works, what doesn't, what to do. Pure; doctor.sh asks the questions."""

import re
from collections.abc import Iterator, Mapping, Sequence

from runexp.text import printable
from runexp.wire.views import Check, Verdict
from runexpd.clusters.slurm.parse import Section, lines
from runexpd.clusters.slurm.usage import number
from runexpd.experiments import limits

#: Checkpoints must be newer than their attempt's start, by the cluster's own clocks; ours only dates what is shown.
MOST_CLOCK_SECONDS = 30.0
#: Ended jobs are asked about by id for as long as slurmctld remembers them.
LEAST_MIN_JOB_AGE_SECONDS = 60
#: Of df: file system, size, used, left, percent, where.
_DF_FIELDS = 6
_LEAST_HOME_KILOBYTES, _LEAST_HOME_FILES = 50 * 1024, 500
_NONE = Section("", None)
_THEM = "`prepend` of this cluster in the configuration, then: runexp daemon reload"
#: What ends with 0 all the same: a `module` of older sites that doesn't find what it is to load, for one.
_COMPLAINT = re.compile(r"\b(error|unable|cannot|not found|no such)\b", re.IGNORECASE)


def checks(
    found: Mapping[str, Section],
    *,
    max_submit: int,
    clock_difference: float | None,
    partition: str = "",
    prepend: Sequence[str] = (),
) -> Iterator[Check]:
    """A verdict on each thing. `clock_difference`: seconds that the cluster is ahead of us. `partition`: for scripts that
    set none, as sbatch reads it; empty: the cluster's own default. `prepend`: the configuration's lines."""
    look = {name.removeprefix("=="): section for name, section in found.items()}
    yield from _prepended(look, prepend)
    yield from _commands(look)
    yield _variables(look)
    yield _controller(look)
    yield from _accounting(look)
    yield from _limits(look, max_submit)
    yield _partition(look, partition)
    yield _spool(look)
    yield _home(look)
    yield _clock(clock_difference)


def _prepended(look: Mapping[str, Section], prepend: Sequence[str]) -> Iterator[Check]:
    """Of each line that doesn't end well, or complains; else one for all of them."""
    ran = {name: section for name, section in look.items() if name.startswith("prepend ")}
    odd = [check for name, section in ran.items() if (check := _line(_lines(name, prepend), section))]
    if ran and not odd:
        found = f"what is put before every command ends well: {limits.listed(prepend, 3)}"
        odd = [Check(name="prepend", verdict=Verdict.OK, found=printable(found))]
    yield from odd


def never_begun(said: str) -> Check:
    """Behind the configuration's lines no command begins. `said`: what the shell said."""
    found = f"no command begins behind these lines: {printable(said.strip())[:200] or 'they end the shell'}"
    return Check(name="prepend", verdict=Verdict.BAD, found=found, hint=f"see to {_THEM}")


def _lines(name: str, prepend: Sequence[str]) -> str:
    """Those of a section, by the numbers in its name."""
    first, last = map(int, name.split()[1:])
    return limits.shown(printable("; ".join(prepend[first - 1 : last])))


def _line(line: str, section: Section) -> Check | None:
    said = printable(section.text.strip())[:200]
    if section.exit_code == 0 and not _COMPLAINT.search(said):
        return None
    if section.exit_code and said:
        return Check(
            name="prepend", verdict=Verdict.BAD, found=f"`{line}` fails: {said}", hint=f"see to it: {_THEM}"
        )
    found = f"`{line}` {f'says: {said}' if said else f'ends with {_said(section)}'}"
    hint = f"fine, if it is to; else see to it: {_THEM}"
    return Check(name="prepend", verdict=Verdict.WARNING, found=found, hint=hint)


def _commands(look: Mapping[str, Section]) -> Iterator[Check]:
    for name in ("sbatch", "squeue", "sacct", "scancel"):
        section = look.get(name, _NONE)
        if section.exit_code == 0:
            yield Check(name=name, verdict=Verdict.OK, found=printable(section.text)[:200])
        else:
            hint = "commands run without a login shell: put what it takes (module load slurm) under `prepend`"
            yield Check(name=name, verdict=Verdict.BAD, found=_said(section), hint=hint)


def _variables(look: Mapping[str, Section]) -> Check:
    names = sorted(printable(look.get("variables", _NONE).text).split())
    if not names:
        return Check(
            name="variables", verdict=Verdict.OK, found="your account sets none for Slurm's commands"
        )
    found = f"your account sets {limits.listed(names, 40)}: left out"
    hint = "fine, unless you want them: then put `export NAME=value` under `prepend`"
    return Check(name="variables", verdict=Verdict.OK, found=found, hint=hint)


def _controller(look: Mapping[str, Section]) -> Check:
    section = look.get("ping", _NONE)
    if section.exit_code == 0 and " is UP" in section.text:
        age = re.search(r"^MinJobAge\s*=\s*([0-9]{1,15})", look.get("config", _NONE).text, re.MULTILINE)
        found = f"up; remembers ended jobs for {age[1]} s" if age else "up"
        if age and int(age[1]) < LEAST_MIN_JOB_AGE_SECONDS:
            hint = "fine with accounting; without it, ends may be missed"
            return Check(name="slurmctld", verdict=Verdict.WARNING, found=found, hint=hint)
        return Check(name="slurmctld", verdict=Verdict.OK, found=found)
    hint = "nothing can be submitted until it is back; runexp waits for it"
    return Check(name="slurmctld", verdict=Verdict.BAD, found=_said(section), hint=hint)


def _accounting(look: Mapping[str, Section]) -> Iterator[Check]:
    section = look.get("accounting", _NONE)
    if section.exit_code == 0:
        yield Check(name="accounting", verdict=Verdict.OK, found="on: sacct says how jobs ended")
    elif "accounting storage is disabled" in section.text:
        hint = "runexp asks squeue and scontrol instead; a job that ends while runexpd is off for long may be missed"
        yield Check(name="accounting", verdict=Verdict.WARNING, found="off", hint=hint)
        return
    else:
        hint = "no job will be called ended until sacct answers; see if it does in a few minutes"
        yield Check(name="accounting", verdict=Verdict.BAD, found=_said(section), hint=hint)
        return
    if "SubmitLine" in look.get("fields", _NONE).text.split():
        yield Check(name="SubmitLine", verdict=Verdict.OK, found="there: lost submissions are found by it")
    else:
        hint = "from Slurm 21.08 on; without it, lost submissions are found by directory, name and time"
        yield Check(name="SubmitLine", verdict=Verdict.WARNING, found="not a field of this sacct", hint=hint)


def _limits(look: Mapping[str, Section], max_submit: int) -> Iterator[Check]:
    section = look.get("assoc", _NONE)
    if section.exit_code != 0:
        yield Check(name="limits", verdict=Verdict.WARNING, found=f"not to be had: {_said(section)}")
        return
    rows = [line.split("|") for line in lines(section.text) if line.count("|") == 3]
    least = {count for row in rows if (count := number(row[2])) is not None} | _qos_limits(look, rows)
    accounts = printable(", ".join(sorted({row[0] for row in rows})))[:200] or "none"
    if not rows:
        hint = "sites that enforce associations refuse jobs without one; ask yours for an account"
        yield Check(name="limits", verdict=Verdict.WARNING, found="no association of yours", hint=hint)
    elif least and min(least) < max_submit:
        found = f"accounts {accounts}; at most {min(least)} jobs queued, and max_submit is {max_submit}"
        hint = f"works: runexp waits where the site refuses; max_submit: {min(least)} saves it the refusals"
        yield Check(name="limits", verdict=Verdict.WARNING, found=found, hint=hint)
    else:
        most = f"at most {min(least)} jobs queued" if least else "no limit on queued jobs"
        yield Check(name="limits", verdict=Verdict.OK, found=f"accounts {accounts}; {most}")


def _qos_limits(look: Mapping[str, Section], assoc: list[list[str]]) -> set[int]:
    mine = {name for row in assoc for name in row[3].split(",")}
    rows = [line.split("|") for line in lines(look.get("qos", _NONE).text) if line.count("|") == 1]
    return {most for name, text in rows if name in mine and (most := number(text)) is not None}


def _partition(look: Mapping[str, Section], wanted: str) -> Check:
    section = look.get("partitions", _NONE)
    names = printable(section.text).split()
    if section.exit_code != 0 or not names:
        return Check(name="partitions", verdict=Verdict.WARNING, found=_said(section))
    found, known = " ".join(names)[:200], {name.removesuffix("*") for name in names}
    if unknown := [name for name in wanted.split(",") if name and name not in known]:
        hint = "Slurm refuses a job there, unless it is a hidden one (`sinfo -a` shows those): see `partition` of this cluster"
        found = f"no {', '.join(unknown)} among {found}"
        return Check(name="partitions", verdict=Verdict.WARNING, found=found, hint=hint)
    if not wanted and not any(name.endswith("*") for name in names):
        hint = "scripts must name one, or set `partition` for this cluster"
        return Check(name="partitions", verdict=Verdict.WARNING, found=f"{found}, no default", hint=hint)
    return Check(name="partitions", verdict=Verdict.OK, found=found)


def _spool(look: Mapping[str, Section]) -> Check:
    section = look.get("spool", _NONE)
    if section.exit_code == 0:
        return Check(name="write access", verdict=Verdict.OK, found="~/.runexp can be written to")
    hint = "submissions are locked and receipted in ~/.runexp: see to its permissions, or your quota"
    return Check(name="write access", verdict=Verdict.BAD, found=_said(section), hint=hint)


def _home(look: Mapping[str, Section]) -> Check:
    """What is left on the file system of ~/.runexp, by df in kB and in files, and by quota, which marks what is over."""
    rows = [line.split() for line in lines(look.get("home", _NONE).text)]
    left = [number(row[3]) for row in rows[:2] if len(row) >= _DF_FIELDS]
    if len(left) < 2 or left[0] is None:
        return Check(name="home", verdict=Verdict.WARNING, found="what is left there is not to be had")
    found = f"{left[0] / 1024 / 1024:.1f} GB left" + (f", {left[1]} files" if left[1] is not None else "")
    hint = "a submission needs a few kB and a file: remove something, or ask for more quota"
    if any("*" in field for row in rows[2:] for field in row):
        return Check(
            name="home", verdict=Verdict.BAD, found=f"{found}, and you are over your quota", hint=hint
        )
    # A file system that counts no files says that it has none.
    if left[0] < _LEAST_HOME_KILOBYTES or 0 < (left[1] or 0) < _LEAST_HOME_FILES:
        return Check(name="home", verdict=Verdict.WARNING, found=found, hint=hint)
    return Check(name="home", verdict=Verdict.OK, found=found)


def _clock(difference: float | None) -> Check:
    if difference is None:
        return Check(name="clock", verdict=Verdict.WARNING, found="not to be had")
    found = f"{abs(difference):.1f} s {'ahead of' if difference >= 0 else 'behind'} this machine"
    if abs(difference) > MOST_CLOCK_SECONDS:
        hint = "times are shown as the cluster has them; see to the clock of whichever is wrong (NTP)"
        return Check(name="clock", verdict=Verdict.WARNING, found=found, hint=hint)
    return Check(name="clock", verdict=Verdict.OK, found=found)


def _said(section: Section) -> str:
    text = printable(section.text)[:200]
    return text or ("no answer" if section.exit_code is None else f"exit code {section.exit_code}")
