import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runexpd import settings
from runexpd.experiments.problems import BadExperiment


def test_all_of_it_may_be_left_out(tmp_path: Path) -> None:
    assert settings.read(tmp_path / "none.yaml") == settings.Settings()
    assert settings.parse("# only a remark\n\n", "c.yaml") == settings.Settings()


def test_what_is_said_is_taken() -> None:
    found = settings.parse(
        "local: {max_running: 3, stagger_seconds: 0}\n"
        "clusters:\n  della: {host: della.example.edu, user: me, prepend: [module load slurm]}\n",
        "c.yaml",
    )
    assert (found.local.max_running, found.local.stagger_seconds, found.local.max_submit) == (3, 0, 25)
    assert found.clusters["della"].prepend == ("module load slurm",)


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        ("local: {max_runing: 3}", "max_runing is no key here", "c.yaml:1"),
        ("loco: {}", "loco is no key here", "c.yaml:1"),
        ("local:\n  max_running: 0", "expected a whole number, at least 1", "c.yaml:2:16: local.max_running"),
        ("local:\n  max_running: many", "expected a whole number, found a text", "c.yaml:2:16"),
        ("clusters: {local: {host: x}}", "'local' is no name for a cluster", "c.yaml:1"),
        ("clusters: {'a b': {host: x}}", "'a b' is no name for a cluster", "c.yaml:1"),
        ("clusters: {a: {port: 99999}}", "expected a whole number, at most 65535", "clusters.a.port"),
        ("local: {poll_seconds: .inf}", "expected a number, at most", "c.yaml:1:23: local.poll_seconds"),
        ("local: {poll_seconds: .nan}", "expected a number", "c.yaml:1:23: local.poll_seconds"),
        ('clusters: {"a\\nb": {host: x}}', "is no name for a cluster", "c.yaml:1"),
        ("clusters: {a: {host: -oProxyCommand=x}}", "is no host", "c.yaml:1: clusters.a.host"),
        ("clusters: {a: {host: 'a b'}}", "'a b' is no host", "c.yaml:1: clusters.a.host"),
        ('clusters:\n  a:\n    user: "x\n"', "is no user", "c.yaml:3: clusters.a.user"),
        (
            "local: {poll_seconds: 0.000001}",
            "expected a number, at least 0.01",
            "c.yaml:1:23: local.poll_seconds",
        ),
        (f"local: {{before_evaluations: {'x' * 5000}}}", "a text of at most 4096 characters", "c.yaml:1:29"),
        ("local: {", "not YAML", "c.yaml:1"),
        # Of several the one that is meant, and where it stands.
        (
            "clusters:\n  a: {}\n  b.c:\n    port: x\n",
            "expected a whole number",
            "c.yaml:4:11: clusters.b.c.port",
        ),
        (
            "clusters:\n  a: {}\n  b:\n    host: x\n    hots: y\n",
            "hots is no key here",
            "c.yaml:5:5: clusters.b",
        ),
        ("clusters: {a: {}, b: 5}", "expected a mapping of keys to values", "c.yaml:1:22: clusters.b"),
        (
            "clusters: {a: {}, b: {transport: foo}}",
            "foo is none of asyncssh, openssh",
            "clusters.b.transport",
        ),
        (
            "notify: {p: {url: x, tell: [end, foo]}}",
            "foo is none of barrier, decision",
            "c.yaml:1:34: notify.p.tell[1]",
        ),
        ("- local", "expected a mapping of keys to values, found a list", "c.yaml:1:1"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, what: str, where: str) -> None:
    with pytest.raises(BadExperiment) as raised:
        settings.parse(text, "c.yaml")
    assert what in raised.value.what
    assert where in raised.value.where


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("local: {max_runing: 3}", "is max_running meant?"),
        ("cluster: {della: {host: x}}", "is clusters meant?"),
        ("clusters: {della: {hst: x}}", "is host meant?"),
        ("max_running: 3", "it is one at another place of this file"),
        ("what_is_this: 3", "keys here: clusters, local, notify, web"),
        ("clusters: {della: {hots: x}}", "is host meant?"),  # `hosts` is one of `web`
    ],
)
def test_a_key_that_is_none_is_said_with_the_one_that_is_meant(text: str, hint: str) -> None:
    with pytest.raises(BadExperiment) as raised:
        settings.parse(text, "c.yaml")
    assert raised.value.hint == hint


def test_results_are_looked_for_for_two_minutes_or_as_long_as_is_said() -> None:
    found = settings.parse(
        "local: {results_seconds: 0}\nclusters: {a: {host: x}, b: {results_seconds: 300}}", "c"
    )
    assert found.local.results_seconds == 0
    assert (found.clusters["a"].results_seconds, found.clusters["b"].results_seconds) == (120, 300)


MAKE: dict[str, Callable[[Path], object]] = {
    "FIFO": os.mkfifo,
    "directory": Path.mkdir,
    "large": lambda path: path.write_text("#" * 1024 * 1024 + "\n"),
    "other": lambda path: path.write_bytes(b"local: {}\xff"),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "two lines": lambda path: path.write_text("local: {'a\n\nb': 1}"),
}


@pytest.mark.parametrize("kind", MAKE)
def test_only_a_file_of_some_size_is_read(tmp_path: Path, kind: str) -> None:
    MAKE[kind](tmp_path / "config.yaml")
    with pytest.raises(BadExperiment) as raised:
        settings.read(tmp_path / "config.yaml")
    assert (raised.value.what + raised.value.hint).isprintable()
    assert raised.value.where.startswith(f"{tmp_path}/config.yaml")


def test_a_link_to_the_configuration_is_followed(tmp_path: Path) -> None:
    (tmp_path / "dotfiles.yaml").write_text("local: {max_running: 7}")
    (tmp_path / "config.yaml").symlink_to("dotfiles.yaml")
    assert settings.read(tmp_path / "config.yaml").local.max_running == 7
