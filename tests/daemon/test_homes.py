"""The directories that are ours: private whatever was there, or refused with what to do about it."""

import errno
import os
import pwd
import shlex
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from runexp import paths
from runexpd import homes
from runexpd.homes import HomeRefused

AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="giving a file away takes root")
NOBODY = 65534


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    dir = tmp_path / "a" / "home"
    monkeypatch.setenv("RUNEXP_HOME", str(dir))
    return dir


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refused() -> HomeRefused:
    with pytest.raises(HomeRefused) as raised:
        homes.prepare()
    said = raised.value
    assert "\n" not in said.what + said.hint
    assert said.hint
    return said


@pytest.mark.usefixtures("umask")
def test_every_level_is_made_private_whatever_the_umask(home: Path) -> None:
    homes.prepare()
    for level in (home.parent, home, home / "state", home / "run"):
        assert mode(level) == 0o700


@pytest.mark.usefixtures("umask")
def test_so_are_those_of_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "user").mkdir()
    (tmp_path / "user").chmod(0o700)
    monkeypatch.delenv("RUNEXP_HOME", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "local" / "state"))
    monkeypatch.setattr(paths, "SESSIONS", tmp_path)
    (tmp_path / str(os.getuid())).symlink_to("user")
    homes.prepare()
    for level in ("local", "local/state", "local/state/runexp", "user/runexp"):
        assert mode(tmp_path / level) == 0o700


def test_what_others_could_read_is_closed_to_them(home: Path) -> None:
    for level in (home, home / "state", home / "run"):
        level.mkdir(parents=True)
        level.chmod(0o755)
    homes.prepare()
    assert [mode(level) for level in (home, home / "state", home / "run")] == [0o700] * 3


@pytest.mark.parametrize("which", ["", "state", "run"])
@pytest.mark.parametrize("theirs", [0o770, 0o777, 0o702, 0o1777, 0o2775])
def test_what_others_could_write_is_refused_and_left_as_it_is(home: Path, which: str, theirs: int) -> None:
    (home / which).mkdir(parents=True)
    home.chmod(0o700)
    (home / which).chmod(theirs)
    said = refused()
    assert "can be written by others" in said.what
    assert mode(home / which) == theirs


def test_the_command_of_the_hint_works_as_typed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = home / "it's; a $(home)"
    monkeypatch.setenv("RUNEXP_HOME", str(odd))
    odd.mkdir(parents=True)
    odd.chmod(0o777)
    subprocess.run(refused().hint.partition("then: ")[2], shell=True, check=True)
    homes.prepare()
    assert mode(odd) == 0o700


@AS_ROOT
def test_a_directory_of_somebody_elses_is_refused(home: Path) -> None:
    (home / "state").mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    os.chown(home / "state", NOBODY, NOBODY)
    said = refused()
    assert "belongs to another user" in said.what
    assert f"chown -R 0 {home / 'state'}" in said.hint


def test_a_link_to_a_directory_of_ours_is_followed(home: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    home.mkdir(parents=True)
    (home / "state").symlink_to(tmp_path / "disk")
    homes.prepare()
    assert mode(tmp_path / "disk") == 0o700


@AS_ROOT
def test_a_link_to_a_directory_of_somebody_elses_is_refused(home: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o700)
    os.chown(tmp_path / "disk", NOBODY, NOBODY)
    home.mkdir(parents=True)
    (home / "state").symlink_to(tmp_path / "disk")
    assert "belongs to another user" in refused().what


@AS_ROOT
def test_a_link_of_somebody_elses_is_refused(home: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o700)
    home.mkdir(parents=True)
    (home / "state").symlink_to(tmp_path / "disk")
    os.lchown(home / "state", NOBODY, NOBODY)
    said = refused()
    assert "link that belongs to another user" in said.what
    assert shlex.quote(str(home / "state")) in said.hint


def test_a_link_to_nothing_is_refused(home: Path) -> None:
    home.mkdir(parents=True)
    (home / "state").symlink_to(home / "nowhere")
    assert "link to nothing" in refused().what


@pytest.mark.parametrize("which", ["", "state", "run"])
def test_a_file_where_a_directory_should_be_is_refused(home: Path, which: str) -> None:
    home.parent.mkdir()
    if which:
        home.mkdir()
    (home / which).touch()
    said = refused()
    assert said.what == f"{home / which} is no directory, and should be one"
    assert said.hint == f"mv {home / which} {home / which}.old"


def test_a_file_further_up_is_named(home: Path) -> None:
    home.parent.touch()
    assert refused().what == f"{home.parent} is no directory, and should be one"


def test_a_fifo_is_refused_and_not_waited_for(home: Path) -> None:
    home.mkdir(parents=True)
    os.mkfifo(home / "state")
    assert "is no directory" in refused().what


@pytest.mark.parametrize("own", [0o500, 0o600, 0o000])
def test_a_home_that_its_owner_made_read_only_is_refused(home: Path, own: int) -> None:
    home.mkdir(parents=True)
    home.chmod(own)
    try:
        assert refused().what.startswith((f"{home} is read-only", f"no permission for {home}"))
    finally:
        home.chmod(0o700)


def fails_with(number: int) -> Callable[..., None]:
    def fail(path: Path, mode: int) -> None:
        raise OSError(number, os.strerror(number), str(path))

    return fail


@pytest.mark.parametrize(
    ("number", "what"),
    [
        (errno.ENOSPC, "no space is left to make"),
        (errno.EDQUOT, "no space is left to make"),
        (errno.EROFS, "its file system is read-only"),
        (errno.EACCES, "no permission for"),
        (errno.EIO, "can't be had: Input/output error"),
    ],
)
def test_what_the_system_refuses_is_told_in_a_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, number: int, what: str
) -> None:
    monkeypatch.setattr(os, "mkdir", fails_with(number))
    said = refused()
    assert what in said.what
    assert str(home.parent) in said.what


def test_a_file_system_that_is_read_only_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    homes.prepare()
    monkeypatch.setattr(os, "access", lambda path, how: False)
    assert "read-only" in refused().what


def test_where_no_home_is_known_nothing_is_made_where_one_happens_to_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a number without a name, in a container without HOME."""

    def nobody(_: object) -> NoReturn:
        raise KeyError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    for name in ("RUNEXP_HOME", "HOME", "XDG_STATE_HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(OSError, match=f"for the user {os.getuid()}: set HOME"):
        homes.prepare()
    assert list(tmp_path.iterdir()) == []
