"""The documentation's notebook, run against a real daemon."""

import re
import subprocess
import sys
from pathlib import Path

from fakes.experiments import Run, build
from fakes.home import Home

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.md"


def test_what_the_notebook_says_works(tmp_path: Path) -> None:
    first, second = re.findall(r"```python\n(.*?)```", NOTEBOOK.read_text(), re.DOTALL)
    assert len([line for line in first.splitlines() if line.strip()]) == 10
    home = Home(tmp_path / "home")
    build(tmp_path / "exp7", Run("rank8", epochs=2), name="exp7")
    code = f"{first}\n{second}\nimport asyncio\nprint('best', asyncio.run(best('exp7')))"
    with home.running():
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=tmp_path,
            env=home.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    assert "ExperimentEnded" in done.stdout
    assert "best 0.5" in done.stdout
