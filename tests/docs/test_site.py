"""The site can be made of the texts as they are: no dead link, no page that no list has, and nothing loaded from elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from reference import commands
from reference.staging import stage

ROOT = Path(__file__).parents[2]
#: What a browser fetches by itself: what is only linked is none of it.
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//|<link\b[^>]*\bhref=["']?(?:https?:)?//"""
    r"""|@import\s+["'(u]|url\(\s*["']?(?:https?:)?//"""
)

#: Of a processor that is shared, one of them takes half a minute.
SECONDS = 300


def sphinx(source: Path, out: Path, builder: str) -> None:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", builder, "-c", str(ROOT / "docs")]
    environment = {"PYTHONPATH": str(ROOT / "docs"), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [*command, str(source), str(out)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.long
@pytest.mark.timeout(SECONDS)
def test_the_site_is_made_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    stage(ROOT, tmp_path / "source")
    sphinx(tmp_path / "source", tmp_path / "site", "html")
    made = [path for path in (tmp_path / "site").rglob("*") if path.suffix in {".html", ".css", ".svg"}]
    assert (tmp_path / "site/docs/index.html") in made
    assert [path.name for path in made if _FETCHED.search(path.read_text())] == []


@pytest.mark.long
@pytest.mark.timeout(SECONDS)
def test_each_command_has_a_page_of_the_manual(tmp_path: Path) -> None:
    stage(ROOT, tmp_path / "source")
    sphinx(tmp_path / "source", tmp_path / "man1", "man")
    made = {path.name for path in (tmp_path / "man1").glob("*.1")}
    assert made == {f"{command.page}.1" for command in commands.all()}
    page = (tmp_path / "man1/runexp-run.1").read_text()
    assert "runexp-run \\- Run the experiment in DIR" in page
    for part in (".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS", "\\-\\-on\\-failure", ".SH EXAMPLE"):
        assert part in page
