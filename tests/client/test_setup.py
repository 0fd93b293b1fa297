"""`runexp setup`: a stanza among what the user wrote, read by the daemon, looked over."""

import os
import stat
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fakes.home import CONFIG, Home
from runexp import exits, sshing, stanzas
from runexp.commands import setup

MINE = """# mine
local: {max_running: 3}   # few cores

clusters:
    # the old one
    della:
        host: della.example.edu # by cable
        prepend:
            - module load slurm

    # the new one
    delta: {host: delta}
notify: {}
"""


def test_a_stanza_is_added_among_comments() -> None:
    done = stanzas.put(MINE, "tiger", {"host": "tiger", "account": "no", "user": "7"})
    assert yaml.safe_load(done) == yaml.safe_load(MINE) | {
        "clusters": {
            "tiger": {"host": "tiger", "account": "no", "user": "7"},
            "della": {"host": "della.example.edu", "prepend": ["module load slurm"]},
            "delta": {"host": "delta"},
        }
    }
    assert [line for line in done.splitlines() if line in MINE.splitlines()] == MINE.splitlines()


def test_one_is_replaced() -> None:
    done = stanzas.put(MINE, "della", {"host": "other"})
    assert yaml.safe_load(done)["clusters"] == {"della": {"host": "other"}, "delta": {"host": "delta"}}
    assert done.count("#") == MINE.count("#") - 1, "the one within it"
    assert yaml.safe_load(stanzas.put(MINE, "delta", {"host": "other"}))["clusters"]["delta"] == {
        "host": "other"
    }


@pytest.mark.parametrize(
    "text", ["a: 1\r\nb: 2\r\n", 'a: "x\u2028y\x85z"\n', "a: 1 # \x0c\x1c\n", "a: 1", "a: 1\n\n"]
)
def test_what_the_user_wrote_stays_to_the_byte(text: str) -> None:
    assert stanzas.put(text, "della", {"host": "h"}).startswith(text)


def test_a_clusters_own_lines_may_end_as_on_windows() -> None:
    text = "clusters:\r\n  della:\r\n    host: h\r\nlocal: {}\r\n"
    assert yaml.safe_load(stanzas.put(text, "della", {"host": "i"})) == {
        "clusters": {"della": {"host": "i"}},
        "local": {},
    }
    assert "  della:\r\n    host: h\r\n" in stanzas.put(text, "tiger", {"host": "i"})


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "local: {max_running: 1}", "clusters:\n", "clusters: # none yet\nlocal: {}\n"]
)
def test_the_first_one(text: str) -> None:
    done = stanzas.put(text, "della", {"host": "h"})
    assert yaml.safe_load(done)["clusters"] == {"della": {"host": "h"}}
    assert not stanzas.has(text, "della")
    assert stanzas.has(done, "della")
    assert not stanzas.has(done, "host")


@pytest.mark.parametrize("text", ["clusters: {}\n", "clusters: {della: {host: h}}\n"])
def test_what_stands_in_one_line_is_left_to_the_user(text: str) -> None:
    with pytest.raises(stanzas.Unwritable, match="line 1"):
        stanzas.put(text, "tiger", {"host": "h"})


@pytest.mark.parametrize("name", ["1", "1e5", "true", "della-2", "0x1F"])
def test_any_name_is_a_text(name: str) -> None:
    done = stanzas.put(stanzas.put(MINE, name, {"host": "a"}), name, {"host": "b"})
    assert yaml.safe_load(done)["clusters"][name] == {"host": "b"}


@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co", "Cf", "Zl", "Zp")),
        min_size=1,
    )
)
def test_any_text_is_read_back_as_it_was(said: str) -> None:
    done = yaml.safe_load(stanzas.put(MINE, "tiger", {"account": said}))
    assert done["clusters"]["tiger"]["account"] == said


def test_hosts_of_the_ssh_configuration(tmp_path: Path) -> None:
    (tmp_path / "more").write_text("Host tiger\nInclude more\n")
    (tmp_path / "config").write_text(
        f"Include {tmp_path}/mo*\nHost della d2 *.edu !x\n  User me\nhost=della\n"
    )
    assert sshing.hosts(tmp_path / "config") == ["tiger", "della", "d2"]
    assert sshing.hosts(tmp_path / "none") == []


@pytest.mark.parametrize("include", ["/", "~nobody-here/x", "**x", "/x/**", "a\0b", "../" * 500])
def test_what_an_ssh_configuration_includes_and_nobody_can_is_passed_over(
    tmp_path: Path, include: str
) -> None:
    (tmp_path / "config").write_text(f"Include {include}\nHost della\n")
    assert sshing.hosts(tmp_path / "config") == ["della"]


def test_an_ssh_configuration_that_would_not_end_does(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"c{number}").write_text(f"Include {tmp_path}/c*\nHost h{number}\n")
    os.mkfifo(tmp_path / "c-pipe")
    (tmp_path / "c-zero").symlink_to("/dev/zero")
    assert sorted(sshing.hosts(tmp_path / "c0")) == sorted(f"h{number}" for number in range(30))


def test_the_daemon_reads_it_and_a_wrong_one_changes_nothing(tmp_path: Path) -> None:
    """Nobody answers on that port: what is to be mended is said."""
    home = Home(tmp_path / "home")
    config = tmp_path / "home" / "config.yaml"
    with home.running():
        config.write_text(f"# mine\n{CONFIG}")
        config.chmod(0o600)
        done = home.runexp(
            "setup",
            "della",
            "--yes",
            "--host",
            "127.0.0.1",
            "--prepend",
            "module load slurm",
            "--prepend",
            ": 'b'",
        )
        assert done.returncode == exits.FAILED, done.stdout + done.stderr
        assert "mend that, then: runexp doctor della" in done.stdout
        assert "clusters  local, della" in home.runexp("daemon").stdout
        written = config.read_text()
        assert yaml.safe_load(written)["clusters"] == {
            "della": {"host": "127.0.0.1", "prepend": ["module load slurm", ": 'b'"]}
        }
        assert written.startswith(f"# mine\n{CONFIG}")
        assert stat.S_IMODE(os.stat(config).st_mode) == 0o600
        for words, code in (
            (("della",), exits.REFUSED),
            (("a: b",), exits.USAGE),
            (("local",), exits.USAGE),
            ((), exits.USAGE),
        ):
            again = home.runexp("setup", *words, "--yes")
            assert (again.returncode, again.stderr.count("\n")) == (code, 2), again.stderr
        assert config.read_text() == written
        for spoil in (_as_a_pipe, lambda path: path.write_bytes(b"\xff")):
            config.unlink()
            spoil(config)
            again = home.runexp("setup", "tiger", "--yes", timeout_seconds=20)
            assert (again.returncode, again.stderr.count("\n")) == (exits.REFUSED, 2), again.stderr


def _as_a_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(("partitions", "asked"), [(["gpu"], 3), ([], 4)])
def test_a_line_of_shell_is_asked_for_where_no_command_of_slurms_was_found(
    monkeypatch: pytest.MonkeyPatch, partitions: list[str], asked: int
) -> None:
    questions: list[str] = []

    def prompt(question: str, **shown: object) -> str:
        questions.append(question)
        return "module load slurm"

    monkeypatch.setattr(sshing, "offers", lambda host: (partitions, []))
    monkeypatch.setattr("click.prompt", prompt)
    said = dict.fromkeys(("host", "user", "transport", "partition", "account"))
    settings = setup._settings("della", True, said, ())
    assert len(questions) == asked
    assert settings.get("prepend") == (None if partitions else ["module load slurm"])
