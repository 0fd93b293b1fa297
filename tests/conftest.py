"""What all tests share."""

import gc
import inspect
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from guard import guarded
from hypothesis import settings

import cluster
import debian
from fakes.adapters import narrow
from fakes.home import Home
from fakes.responsive import responsive
from runexp.scaffolding import example

# A process that a shell starts in the background ignores Ctrl-C, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# What jobs call python3: a version manager's stand-in for it takes ten times as long to start.
os.environ["PATH"] = f"{Path(sys.executable).resolve().parent}:{os.environ['PATH']}"

# What is imported for the tests stays: looking through it again and again, in each process of theirs, is a third of their start.
gc.disable()

#: Nothing is called slow because the machine is busy.
settings.register_profile("runexp", deadline=None)
settings.load_profile("runexp")


@pytest.fixture(scope="session")
def slurm(request: pytest.FixtureRequest) -> Iterator[cluster.Cluster]:
    """A real Slurm with accounting and an sshd, up for the whole run of tests. Where there can be none: not run, and why.

    RUNEXP_SLURM=26.05 makes it that one.
    """
    dir = Path(
        tempfile.mkdtemp(prefix="runexp-slurm-")
    )  # not pytest's own: its user must be able to go there
    try:
        _install()
        up = cluster.up(dir)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        shutil.rmtree(dir, ignore_errors=True)
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no Slurm can be had here: {error}")
    with guarded(dir):
        yield up
        cluster.down(dir)
    if not request.session.testsfailed:
        shutil.rmtree(dir, ignore_errors=True)


def _install() -> None:
    """One after the other, where several processes of tests need a Slurm."""
    with debian.turn():
        cluster.prepare()


#: The first test that needs one waits for it to be installed and brought up.
MAKING_SECONDS = 300
#: They share one real experiment.
OF_ONE_EXPERIMENT = frozenset(
    {"test_real.py", "test_real_on_slurm.py", "test_stand_ins.py", "test_upstream.py"}
)
#: What takes longest begins first: the others fill the time that these wait.
LONGEST = ("experiment", "Slurm, whole experiments", "Slurm")


@pytest.hookimpl(tryfirst=True)  # before the groups are read
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is made once, a real Slurm or a real experiment, is made by one process, which runs all that share it."""
    for item in items:
        if item.get_closest_marker("real"):
            item.add_marker(pytest.mark.xdist_group(_shared(item.path)))
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(MAKING_SECONDS))
    items.sort(key=_place)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def _shared(path: Path) -> str:
    """What the real tests of a file have in common."""
    if path.name in OF_ONE_EXPERIMENT:
        return "experiment"
    if path.name == "test_on_slurm.py":
        return "Slurm, whole experiments"
    if path.parent.name == "clusters" or path.stem.endswith("_on_slurm"):
        return "Slurm"
    return path.stem


def _place(item: pytest.Item) -> int:
    group = item.get_closest_marker("xdist_group")
    name = group.args[0] if group else ""
    return LONGEST.index(name) if name in LONGEST else len(LONGEST) + (not name)


#: Where event loops are watched for whatever blocks them.
RESPONSIVE = frozenset({"runtime", "hosts"})


@pytest.fixture(autouse=True)
def _responsive(request: pytest.FixtureRequest) -> Iterator[None]:
    """No blocking call on the event loop, in tests that have one and are not with a real Slurm."""
    watched = request.path.parent.name in RESPONSIVE and "slurm" not in request.fixturenames
    if not watched or not inspect.iscoroutinefunction(getattr(request.node, "function", None)):
        yield
        return
    with responsive():
        yield


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def real_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A daemon for experiments with the real torchtune and inspect-ai: two jobs at a time."""
    home = Home(
        tmp_path_factory.mktemp("real") / "home",
        "local: {max_running: 2, stagger_seconds: 0, results_seconds: 1}\n",
    )
    home.start()
    yield home
    home.stop()


@pytest.fixture(scope="session")
def real_experiment(real_home: Home) -> Path:
    """The demo's experiment, run through runexp to its end, once for all tests. About a minute.

    Each kind of its evaluations, but not each of them: one costs ten seconds of a processor.
    """
    experiment = real_home.dir.parent / "experiment"
    example.scaffold(experiment, Path(sys.prefix))
    narrow(experiment, {"base": (), "rank4": (1,), "rank8": (1,), "rank8-adapter": (1,)})
    done = real_home.runexp("run", str(experiment))
    assert done.returncode == 0, done.stdout + done.stderr
    return experiment
