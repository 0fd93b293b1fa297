"""runexp view: the evaluation logs, in inspect's own viewer, on this machine."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from runexp import connection, exits, installing, output, paths
from runexp.commands import arguments
from runexp.connection import Lost, NoDaemon, Refusal
from runexp.fetching.transfer import Bringing
from runexp.wire import requests
from runexp.wire.files import FilesAsk, FilesReply, Kind

#: Between two looks for new logs, while the experiment runs.
_LOOK_SECONDS = 5.0
_END_SECONDS = 5.0


@click.command()
@arguments.experiment
@arguments.job
@click.option("--dir", "directory", type=click.Path(file_okay=False), help="Where the logs are kept.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address that the viewer listens at.")
@click.option("--port", type=click.IntRange(1, 65535), default=7575, show_default=True, help="Its port.")
@click.option("--fetch-only", is_flag=True, help="Bring the logs, say where they are, and stop.")
@arguments.as_json
def view(
    experiment: str | None,
    job: str | None,
    directory: str | None,
    host: str,
    port: int,
    fetch_only: bool,
    as_json: bool,
) -> None:
    """Open the evaluation logs of EXP, or of JOB alone, in `inspect view`, until Ctrl-C.

    They are brought to this machine as needed, below the user's cache unless --dir says where, and kept up to date while
    the experiment runs. inspect-ai must be installed on this machine: pip install inspect-ai.

    \b
    Example:  runexp view exp7
              runexp view exp7 rank8/capitalization/epoch1 --port 7600
    """
    with output.errors(as_json):
        inspect = "" if fetch_only else _inspect(as_json)
        asked = FilesAsk(
            experiment=arguments.chosen(experiment), kinds=(Kind.LOGS,), jobs=(job,) if job else ()
        )
        listed = connection.ask(asked, FilesReply)
        root = Path(directory) if directory else paths.cache() / "view" / listed.experiment
        bringing = Bringing(listed.experiment, root)
        count = _brought(bringing, listed)
        if fetch_only:
            _say_where(root, count, as_json)
            return
        output.note(f"{listed.name}: {count} logs in {root}; http://{host}:{port} (Ctrl-C ends it)")
        viewer = [inspect, *_options(listed, job, root, host, port)]
        sys.exit(_serve(viewer, asked, bringing))


def _inspect(as_json: bool) -> str:
    """The command, a person's own first; or that of this environment, of which pipx and uv put only runexp's on the PATH."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which("inspect", path=os.pathsep.join((os.environ.get("PATH", os.defpath), beside)))
    if found is None:
        what = "inspect-ai isn't installed here, whose viewer shows the logs"
        hint = f"{installing.command('inspect-ai')}; or bring them without it: runexp view --fetch-only"
        output.fail(what, "", hint, exits.REFUSED, as_json)
    return found


def _say_where(root: Path, count: int, as_json: bool) -> None:
    if as_json:
        output.json({"dir": str(root), "logs": count})
    else:
        output.say(str(root))


def _brought(bringing: Bringing, listed: FilesReply) -> int:
    """How many are here by now."""
    found = [bringing.bring(file, lambda count: None) for file in listed.files]
    for file in found:
        if file.problem:
            output.note(output.one_line(f"left out: {file.path}: {file.problem}"))
    return sum(bool(file.here) for file in found)


def _options(listed: FilesReply, job: str | None, root: Path, host: str, port: int) -> list[str]:
    """The whole directory; of one job, the directory of its logs."""
    below = [file.below.rpartition("/")[0] for file in listed.files if file.below]
    dir = root / below[0] if job and below else root
    return [
        "view",
        "start",
        "--log-dir",
        str(dir),
        "--recursive",
        "--host",
        host,
        "--port",
        str(port),
    ]


def _serve(argv: Sequence[str], asked: FilesAsk, bringing: Bringing) -> int:
    """Until the viewer ends, or somebody ends it; its exit code."""
    viewer = subprocess.Popen(argv)
    try:
        is_over = False
        while True:
            try:
                return viewer.wait(_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                is_over = is_over or _look_again(asked, bringing)
    except KeyboardInterrupt:
        return exits.OK
    finally:
        _end(viewer)


def _look_again(asked: FilesAsk, bringing: Bringing) -> bool:
    """Bring what is new; whether nothing more will come."""
    try:
        view = connection.ask(requests.Status(experiment=asked.experiment), requests.StatusReply, _patient)
        listed = connection.ask(asked, FilesReply, _patient)
        for file in listed.files:
            if not bringing.is_here(file):
                bringing.bring(file, lambda count: None)
    except (Refusal, NoDaemon, Lost):  # what is here is shown; it is asked again
        return False
    return view.experiment.outcome is not None


def _patient(seconds: float) -> None:
    """The viewer has the terminal."""


def _end(viewer: "subprocess.Popen[bytes]") -> None:
    if viewer.poll() is None:
        viewer.send_signal(signal.SIGINT)
        try:
            viewer.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            viewer.kill()
            viewer.wait()
