"""The commit is worth knowing, and nothing waits for it or fails for it."""

import os
import subprocess
import time
from pathlib import Path
from typing import Any, cast

import pytest

from fakes.builders import training
from runexpd.hosts.base import Host, HostUnreachable
from runexpd.hosts.local import LocalHost
from runexpd.runtime import recipes
from runexpd.runtime.recipes import read


class SlowGit:
    """A host on which only git is asked."""

    async def run(self, argv: list[str], **_: Any) -> None:
        raise HostUnreachable("no answer within 10 s")


async def test_a_git_that_gives_no_answer_hinders_nothing() -> None:
    assert await read({}, cast(Host, SlowGit()), "/e", []) == []


@pytest.mark.parametrize(("filter", "is_known"), [("lfs", True), ("a=b", False)])
async def test_no_program_of_a_repositorys_own_is_run_to_look_at_it(
    tmp_path: Path, filter: str, is_known: bool
) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@y"]
    (tmp_path / ".gitattributes").write_text(f"x.txt filter={filter}\n")
    (tmp_path / "x.txt").write_text("a")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], check=True)
    subprocess.run([*git, "config", f"filter.{filter}.clean", "touch ran; cat"], check=True)
    subprocess.run([*git, "config", f"filter.{filter}.required", "true"], check=True)
    (tmp_path / "x.txt").write_text("b")
    (made,) = await read({}, LocalHost(), str(tmp_path), [training("r", str(tmp_path))])
    assert len(made.recipe.commit) == 40
    assert made.recipe.dirty == is_known
    assert not (tmp_path / "ran").exists()


async def test_a_repository_that_the_environment_names_is_not_the_experiments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@y"]
    subprocess.run([*git, "init", "-q", str(other)], check=True)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    (tmp_path / "x.txt").write_text("a")
    subprocess.run([*git, "add", "x.txt"], check=True)
    (made,) = await read({}, LocalHost(), str(tmp_path), [training("r", str(tmp_path))])
    assert made.recipe.commit == ""


@pytest.mark.parametrize("odd", [".git", ".git/HEAD", ".git/config", ".git/packed-refs"])
async def test_a_fifo_of_a_repositorys_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@y"]
    if odd != ".git":
        (tmp_path / "x.txt").touch()
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"], ["pack-refs", "--all"]):
            subprocess.run([*git, *command], check=True)
        (tmp_path / odd).unlink()
    os.mkfifo(tmp_path / odd)
    monkeypatch.setattr(recipes, "_SHELL_SECONDS", 60.0)  # it is not by this that it ends
    began = time.monotonic()
    (made,) = await read({}, LocalHost(), str(tmp_path), [training("r", str(tmp_path))])
    assert made.recipe.commit == ""
    assert time.monotonic() - began < 30
