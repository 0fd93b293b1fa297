"""The README's pictures, made by the program itself, of the demo's experiment.

python docs/pictures/make.py DEMO OUT     DEMO: a directory for `runexp demo`; OUT gets screen.svg and report.png (that by chromium)
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from runexp import connection, starting
from runexp.scaffolding import example
from runexp.screen.app import Full
from runexp.screen.watching import Watching
from runexp.wire import requests
from runexp.wire.states import Phase
from runexp.wire.views import ExperimentView

SIZE = (120, 34)
#: That curves and estimates are there.
LOOK_SECONDS = 4
PAGE = "1100,1250"
#: Which would be loaded from elsewhere.
FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def main() -> None:
    demo, out = Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute()
    experiment = demo / "experiment"
    os.environ["RUNEXP_HOME"] = str(demo / "home")
    (demo / "home").mkdir(parents=True, exist_ok=True, mode=0o700)
    (demo / "home" / "config.yaml").write_text("local: {max_running: 2, stagger_seconds: 1}\n")
    out.mkdir(parents=True, exist_ok=True)
    example.scaffold(experiment, Path(sys.prefix))
    starting.start()
    try:
        subprocess.run([program("runexp"), "run", "--detach", experiment], check=True)
        while not _is_worth_a_look(view(experiment)):
            time.sleep(0.5)
        (out / "screen.svg").write_text(asyncio.run(screen(view(experiment))))
        subprocess.run([program("runexp"), "wait", experiment], check=False)
        report(experiment, demo, out / "report.png")
    finally:
        starting.stop()


def program(name: str) -> Path:
    return Path(sys.executable).parent / name


def view(experiment: Path) -> ExperimentView:
    asked = requests.Status(experiment=str(experiment))
    return connection.ask(asked, requests.StatusReply).experiment


def _is_worth_a_look(view: ExperimentView) -> bool:
    """Trainings are through, evaluations run; or it is over."""
    running = any(job.state == "RUNNING" and job.phase is Phase.EVALUATION for job in view.jobs)
    verified = sum(job.state == "VERIFIED" for job in view.jobs)
    return view.outcome is not None or (running and verified > len(example.MERGED | example.ADAPTERS))


async def screen(view: ExperimentView) -> str:
    app = Full(lambda app: Watching(view, view.seq - 40, ended=lambda: None))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(LOOK_SECONDS)
        return FONTS.sub("", app.export_screenshot(title="runexp attach"))


def report(experiment: Path, demo: Path, path: Path) -> None:
    page = demo / "report.html"
    subprocess.run([program("runexp"), "report", experiment, "--format", "html", "-o", page], check=False)
    browser = shutil.which("chromium") or sys.exit("error: no chromium; hint: apt-get install chromium")
    looks = [
        "--headless",
        "--no-sandbox",
        "--hide-scrollbars",
        f"--window-size={PAGE}",
        f"--screenshot={path}",
    ]
    subprocess.run([browser, *looks, page.as_uri()], check=True, capture_output=True, cwd=demo)


if __name__ == "__main__":
    main()
