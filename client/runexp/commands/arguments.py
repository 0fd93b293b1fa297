"""The arguments and options that commands share, and what they mean when they are left out."""

import math
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from runexp import connection, exits, output
from runexp.naming import SUMMARY, is_name, named
from runexp.naming import place as place
from runexp.wire import requests
from runexp.wire.completing import Directories, DirectoriesReply
from runexp.wire.views import ExperimentLine

F = TypeVar("F", bound=Callable[..., Any])


class Number(click.FloatRange):
    """A number within bounds. `nan` is within all of them, and is none; nor is `inf`."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is no number", param, ctx)
        return number


def as_json(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


def complete_experiment(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    try:
        known = connection.ask(requests.Ls(), requests.LsReply, connection.give_up).experiments
    except Exception:  # completion never complains
        return []
    names = Counter(e.name for e in known)
    return [item for e in known if (item := _completed(e, names[e.name] > 1, incomplete))]


def _completed(e: ExperimentLine, is_shared: bool, incomplete: str) -> CompletionItem | None:
    """By its name, where that means this one alone; else by its place, or by its id where that is begun."""
    place = e.dir if e.cluster == "local" else f"{e.cluster}:{e.dir}"
    if not is_shared and is_name(e.name) and e.name.startswith(incomplete):
        return CompletionItem(e.name, help=e.dir)
    if e.name.startswith(incomplete) or place.startswith(incomplete):
        return CompletionItem(place, help=e.name)
    return CompletionItem(e.id, help=e.name) if e.id.startswith(incomplete) else None


def complete_job(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    try:
        asked = requests.Status(experiment=context.params.get("experiment") or os.getcwd())
        jobs = connection.ask(asked, requests.StatusReply, connection.give_up).experiment.jobs
    except Exception:  # completion never complains
        return []
    return [CompletionItem(job.id, help=job.state) for job in jobs if job.id.startswith(incomplete)]


def experiment(command: F) -> F:
    """EXP; the current directory's experiment where it is left out."""
    return click.argument("experiment", metavar="[EXP]", required=False, shell_complete=complete_experiment)(
        command
    )


def complete_cluster(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    try:
        known = connection.ask(requests.Info(), requests.InfoReply, connection.give_up).clusters
    except Exception:  # completion never complains
        return []
    return [CompletionItem(name) for name in known if name.startswith(incomplete)]


def cluster(command: F) -> F:
    return click.argument("cluster", metavar="CLUSTER", shell_complete=complete_cluster)(command)


def jobs(command: F) -> F:
    return click.argument("jobs", metavar="[JOB]...", nargs=-1, shell_complete=complete_job)(command)


def job(command: F) -> F:
    return click.argument("job", metavar="[JOB]", required=False, shell_complete=complete_job)(command)


def _complete_directory(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Of this machine as the shell does it; on a cluster as far as its connection is open."""
    cluster, colon, path = incomplete.partition(":")
    if not colon or "/" in cluster:
        clusters = complete_cluster(context, parameter, incomplete)
        there = [CompletionItem(f"{item.value}:") for item in clusters if item.value != "local"]
        return [*there, CompletionItem(incomplete, type="dir")]
    try:
        asked = Directories(cluster=cluster, path=path)
        found = connection.ask(asked, DirectoriesReply, connection.give_up).paths
    except Exception:  # completion never complains
        return []
    return [CompletionItem(f"{cluster}:{each}") for each in found]


def _named(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Not what happens to be here, where a shell's variable holds nothing."""
    if not value:
        raise click.BadParameter("an empty name is no directory's; . is the one that you are in")
    return value


def directory(command: F) -> F:
    return click.argument(
        "directory",
        metavar="[DIR]",
        default=".",
        type=click.Path(),
        callback=_named,
        shell_complete=_complete_directory,
    )(command)


def chosen(experiment: str | None) -> str:
    """The experiment that is meant: a name, or a directory made absolute. Exits with 2 where nothing is."""
    if experiment is None:
        if is_experiment_here():
            return os.path.realpath(".")
        output.fail("which experiment?", "", "name one; `runexp ls` shows them", exits.USAGE)
    if not experiment:  # a shell's variable that holds nothing: not what happens to be here
        output.fail("an empty name is no experiment's", "", "name one; `runexp ls` shows them", exits.USAGE)
    return named(experiment)


def is_experiment_here() -> bool:
    """Whether the current directory is an experiment."""
    return Path(SUMMARY).exists()
