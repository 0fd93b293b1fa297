"""runexp demo: the example, through a private daemon, start to end."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click

from runexp import connection, exits, output, starting, steps
from runexp.commands import init, run
from runexp.scaffolding import example
from runexp.wire import requests
from runexp.wire.states import SETTLED

#: Between two looks, where there is no screen.
_LOOK_SECONDS = 1.0
CONFIG = "# The demo's private daemon: this machine, two jobs at a time.\nlocal:\n  max_running: 2\n  stagger_seconds: 1\n"


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default=Path("runexp-demo"))
@init.environment
def demo(directory: Path, environment: Path) -> None:
    """See it work: train a tiny model three times and evaluate it, on this machine, in five minutes.

    In DIRECTORY, with a private daemon that ends with it; where you detach, both go on. What is done is not done again: change something, and run it again.

    \b
    Example:  pip install 'runexp[jobs]'
              runexp demo
    """
    directory = directory.absolute()
    home, experiment = directory / "home", directory / "experiment"
    with output.errors():
        os.environ["RUNEXP_HOME"] = str(home)
        with steps.steps(example.STEPS + 1) as told:
            init.made(lambda: example.scaffold(experiment, environment, told.step), environment)
            _configure(home)
            told.step("starting a private daemon")
            starting.start()
    try:
        code = _run(experiment)
    finally:
        with output.errors():
            if goes_on := _goes_on(experiment):
                init.say("detached: the experiment goes on, and its daemon with it")
            else:
                starting.stop()
    _say_goodbye(
        directory,
        f"runexp attach {directory / 'experiment'}"
        if goes_on
        else "runexp daemon start                      # the private daemon",
    )
    raise SystemExit(code)


def _configure(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (home / "config.yaml").exists():
        (home / "config.yaml").write_text(CONFIG)


def _run(experiment: Path) -> int:
    """Attached, in a terminal; elsewhere with a line for each job that is done."""
    init.say(f"runexp run {experiment}")
    if sys.stdout.isatty():
        return _command("run", str(experiment))
    return _code(lambda: _looked_on(experiment)) or _command("wait", str(experiment))


def _looked_on(experiment: Path) -> None:
    """Begun, and followed to its end; exits where it isn't."""
    with output.errors():
        reply = run.begin(requests.Run(dir=str(experiment)))
        run.say_what_changed(reply, str(experiment))
        if reply.changed:
            raise SystemExit(exits.UNDECIDED)
        _follow(experiment)


def _follow(experiment: Path) -> None:
    """Until its end."""
    said: set[str] = set()
    while True:
        view = connection.ask(requests.Status(experiment=str(experiment)), requests.StatusReply).experiment
        done = [job for job in view.jobs if job.stage in SETTLED]
        for job in done:
            if job.id not in said:
                said.add(job.id)
                output.say(
                    output.one_line(f"{len(said)}/{len(view.jobs)} {job.id} {job.state}: {job.detail}")
                )
        if view.outcome is not None:
            return
        time.sleep(_LOOK_SECONDS)


def _command(*words: str) -> int:
    """As it is typed; its exit code."""
    from runexp.cli import main

    return _code(lambda: main.main(list(words), prog_name="runexp", standalone_mode=False))


def _code(do: Callable[[], object]) -> int:
    """The exit code by which something ends."""
    try:
        do()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else exits.REFUSED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    return exits.OK


def _goes_on(experiment: Path) -> bool:
    """Whether somebody left before its end. Interrupted or refused before it began, it doesn't."""
    with suppress(connection.Refusal):
        asked = requests.Status(experiment=str(experiment))
        return connection.ask(asked, requests.StatusReply).experiment.outcome is None
    return False


def _say_goodbye(directory: Path, first: str) -> None:
    output.say(
        f"""
The experiment is in {directory / "experiment"}; change it (a rank, a learning rate) and run it again:

    export RUNEXP_HOME={directory / "home"} PATH={Path(sys.executable).parent}:$PATH
    {first}
    runexp run {directory / "experiment"}    # submits only what isn't done
    runexp status capitalization-tiny
    runexp daemon stop

`runexp demo` in another directory does all of it again. To be rid of this one: runexp daemon stop, and rm -r {directory}"""
    )
