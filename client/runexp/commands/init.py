"""runexp init: an experiment to begin with."""

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from runexp import exits, installing, output, steps
from runexp.commands import arguments
from runexp.scaffolding import example, own, tasks
from runexp.scaffolding.problems import CannotBe
from runexp.text import on_one_line

F = TypeVar("F", bound=Callable[..., Any])
#: What making it may ask, and in which words.
QUESTIONS = {
    "model": "The base model's directory (as downloaded from Hugging Face)",
    "data": "The training data (JSON, rows with `input` and `output`)",
    "task": "The evaluation's inspect-ai task (FILE.py, FILE.py@task or package/task)",
}


def environment(command: F) -> F:
    return click.option(
        "--environment",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path(sys.prefix),
        show_default="this one",
        help="The virtual environment, with torchtune and inspect-ai, that every script activates.",
    )(command)


def _ranks(called: click.Context, option: click.Parameter, said: tuple[str, ...]) -> tuple[int, ...]:
    words = ",".join(said).split(",")
    if not all(word.isascii() and word.isdigit() and 1 <= int(word[:5]) <= 4096 for word in words):
        raise click.BadParameter("whole numbers from 1 to 4096, with commas between")
    return tuple(dict.fromkeys(map(int, words)))


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--example", "is_example", is_flag=True, help="The demo's: a tiny model that is made on the spot."
)
@click.option(
    "--model",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A directory of a Llama, Qwen2, Mistral or Gemma model.",
)
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON, or a line a row: rows with `input` and `output` (or prompt and completion, ...), or with `messages`.",
)
@click.option(
    "--task",
    "--tasks",
    "task",
    metavar="TASK",
    multiple=True,
    help="FILE.py, FILE.py@task or package/task, as inspect-ai names them; may be given several times.",
)
@click.option("--name", default="", help="The experiment's name.  [default: the directory's]")
@click.option(
    "--lora-rank",
    "ranks",
    metavar="N[,N]",
    callback=_ranks,
    multiple=True,
    default=("8,16",),
    show_default=True,
    help="A run each; may be given several times.",
)
@click.option(
    "--epochs", type=click.IntRange(1, 1000), default=2, help="Of each training.", show_default=True
)
@click.option(
    "--batch-size", type=click.IntRange(1, 65536), default=4, help="Of each training.", show_default=True
)
@click.option(
    "--lr",
    type=arguments.Number(min=0, min_open=True),
    default=3e-4,
    help="The learning rate at its highest.",
    show_default=True,
)
@click.option(
    "--device",
    type=click.Choice(["cuda", "cpu"]),
    default="cuda",
    help="Where the scripts train and evaluate.",
    show_default=True,
)
@click.option("--partition", default="", help="For the scripts' #SBATCH lines.")
@click.option("--account", default="", help="For the scripts' #SBATCH lines.")
@click.option(
    "--time", "time_limit", default="04:00:00", show_default=True, help="For the trainings' #SBATCH lines."
)
@environment
@arguments.as_json
def init(directory: Path, is_example: bool, environment: Path, as_json: bool, **said: Any) -> None:
    """Write an experiment into DIRECTORY: a summary, a run each with its config and script, and their evaluations.

    All of it is text to be changed. What is there already is never written over. What is missing is asked for in a terminal.

    \b
    Example:  runexp init trial --example
              runexp init exp1 --model ~/models/Llama-3.2-1B-Instruct --data train.json --task capitals.py
              runexp run exp1
    """
    directory = directory.absolute()
    with output.errors(as_json):
        if is_example:
            _refuse_more(said, as_json)
            with steps.steps(example.STEPS) as told:
                made(lambda: example.scaffold(directory, environment.absolute(), told.step), environment)
        else:
            _refuse_others(directory, as_json)
            answers = {name: said.pop(name) or _asked(name, as_json) for name in QUESTIONS}
            try:
                named = answers.pop("task")
                found = [
                    task
                    for each in ([named] if isinstance(named, str) else named)
                    for task in tasks.read(each)
                ]
                own_tasks = tuple({task.name: task for task in found}.values())
                wish = own.Wish(**said, **answers, tasks=own_tasks, environment=environment.absolute())
                own.scaffold(directory, wish)
            except CannotBe as why:
                output.fail(str(why), "", why.hint, exits.REFUSED, as_json)
        files = sorted(str(path) for path in directory.rglob("*") if path.is_file())
        if as_json:
            output.json({"directory": str(directory), "files": files})
            return
        typed = shlex.quote(str(directory))
        say(f"{directory}: {len(files)} files; next: runexp plan {typed}, then runexp run {typed}")


def made(make: Callable[[], None], environment: Path) -> None:
    """By somebody else's Python, which may lack something."""
    try:
        make()
    except FileNotFoundError as error:
        output.fail(
            f"{error.filename}: no such file",
            "",
            "--environment is a virtual environment's directory",
            exits.REFUSED,
            False,
        )
    except subprocess.CalledProcessError as error:
        last = on_one_line((error.stderr or "").strip().rpartition("\n")[2])
        hint = installing.extra("jobs", environment)
        output.fail(f"{environment} can't make the model: {last}", "", hint, exits.REFUSED, False)


def say(what: str) -> None:
    output.note(f"==> {what}")


def _refuse_more(said: dict[str, Any], as_json: bool) -> None:
    """The example has its own."""
    if more := [f"--{name}" for name in QUESTIONS if said[name]]:
        what = f"--example has its own model, data and task: {' and '.join(more)} can't be heeded"
        output.fail(what, "", "leave out either", exits.USAGE, as_json)


def _refuse_others(directory: Path, as_json: bool) -> None:
    if directory.exists() and any(directory.iterdir()):
        output.fail(
            f"{directory} is not empty",
            "",
            "name a new directory; nothing is written over",
            exits.REFUSED,
            as_json,
        )


def _asked(name: str, as_json: bool) -> Any:
    if as_json or not sys.stdin.isatty():
        output.fail(f"which {name}?", "", f"--{name}: {QUESTIONS[name]}; or --example", exits.USAGE, as_json)
    kind = str if name == "task" else click.Path(exists=True, path_type=Path)
    return click.prompt(QUESTIONS[name], type=kind)
