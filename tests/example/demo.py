"""What `make demo` runs: a real experiment, through a private daemon, start to end.

python tests/example/demo.py [DIR]      DIR: .demo in the checkout
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scaffold import scaffold

ENVIRONMENT = Path(sys.prefix)
BIN = ENVIRONMENT / "bin"
CONFIG = "# The demo's private daemon: this machine, two jobs at a time.\nlocal:\n  max_running: 2\n  stagger_seconds: 1\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("directory", type=Path, nargs="?", default=Path(__file__).parents[2] / ".demo")
    directory = parser.parse_args().directory.absolute()
    experiment, home = directory / "experiment", directory / "home"
    scaffold(experiment, ENVIRONMENT)
    os.environ["RUNEXP_HOME"] = str(home)
    with daemon(home):
        print(f"==> runexp run {experiment}", flush=True)
        code = subprocess.call([BIN / "runexp", "run", experiment])
    _say_goodbye(directory)
    sys.exit(code)


@contextmanager
def daemon(home: Path) -> Iterator[None]:
    """A private daemon, stopped again at the end. Its log is in the home."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "config.yaml").exists():
        (home / "config.yaml").write_text(CONFIG)
    print(f"==> starting a private daemon in {home}", flush=True)
    with (home / "runexpd.log").open("ab") as log:
        process = subprocess.Popen([BIN / "runexpd"], stdout=log, stderr=log)
    try:
        _wait_for_answer(process, home)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait_for_answer(process: subprocess.Popen[bytes], home: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            sys.exit(
                f"the daemon ended; its log, {home / 'runexpd.log'}:\n{(home / 'runexpd.log').read_text()}"
            )
        if subprocess.run([BIN / "runexp", "daemon"], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    sys.exit(f"the daemon gives no answer; its log is {home / 'runexpd.log'}")


def _say_goodbye(directory: Path) -> None:
    print(
        f"""
The experiment is in {directory / "experiment"}; change it (a rank, a learning rate) and run it again:

    export RUNEXP_HOME={directory / "home"} PATH={BIN}:$PATH
    runexpd &                                # the private daemon
    runexp run {directory / "experiment"}    # submits only what isn't done
    runexp status capitalization-tiny

`make demo` does that, too. `make demo-clean` removes it all."""
    )


if __name__ == "__main__":
    main()
