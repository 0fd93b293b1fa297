"""The page of events, with all that they are made of."""

from typing import get_args

import msgspec

from reference import comments, shapes
from reference.layout import Entry, Page, Section
from runexp.wire import events

_TEXT = """What can happen to an experiment: the ledger holds nothing else, `runexp attach --json` prints them, and so does the page
(`/api/experiments/{id}/events`). Each comes in an envelope: `seq` counts them over all experiments, `at` is when, in seconds since
1970, `experiment` is its id, and `event` has the fields below and its name under `type`. New fields may come, and new events: step
over what isn't known. All times are in seconds since 1970."""
_HEADS = ("is", "where it isn't there")
#: Fields that mean the same in every event.
COMMON = {
    "job": "The job's id: `run`, `run/task` or `run/task/epochN`.",
    "jobs": "The jobs it is about.",
    "token": "Of which attempt: what names its submission.",
    "phase": "Of which phase.",
    "name": "The experiment's name.",
    "dir": "The experiment's directory, on its cluster.",
    "cluster": "The name of its cluster; `local` is the daemon's machine.",
    "runs": "What the summary lists.",
    "policy": "What the experiment goes by.",
    "warnings": "What is odd, and decides nothing.",
    "reason": "Why, in a line.",
    "error": "What the cluster said.",
    "detail": "What was found, or what is missing, in a line.",
    "slurm_job_id": "Slurm's id of the job; on this machine one of the daemon's own.",
    "output": "The job's output file, with %j and the rest filled in.",
    "held": "How many of ours the cluster held then.",
    "state": "The word that is shown, Slurm's own.",
    "started_at": "When the cluster began it.",
    "ended_at": "When it was over.",
    "usage": "What it was given and used, as it was accounted for.",
    "resources": "What it used of its GPUs, as it was sampled.",
    "concern": "What is wrong.",
    "artifacts": "Checkpoints' directories, or evaluations' logs.",
    "scores": "What an evaluation came to.",
    "failure": "Why it failed.",
    "remedy": "What could help.",
    "number": "Counted from 1.",
    "limit": "Of how many.",
    "paths": "What is moved, on the cluster.",
    "failed": "Runs that failed.",
    "succeeded": "How many jobs are verified.",
    "total": "Of how many.",
    "command": "As a shell reads it.",
    "again": "True: it is run again.",
    "outcome": "How.",
}


def page() -> Page:
    kinds = get_args(events.Event)
    parts = dict.fromkeys(part for kind in kinds for part in shapes.structs(kind))
    return Page(title="Events", text=_TEXT, sections=tuple(map(_section, [*kinds, *parts])))


def _section(kind: type[msgspec.Struct]) -> Section:
    entries = tuple(
        entry if entry.text else Entry(name=entry.name, text=COMMON.get(entry.name, ""), cells=entry.cells)
        for entry in shapes.fields(kind)
    )
    return Section(title=kind.__name__, text=comments.doc(kind), heads=_HEADS, entries=entries)
