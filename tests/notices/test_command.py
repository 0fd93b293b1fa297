"""A real daemon, its configuration, and a receiver: `runexp notify`, and an experiment's end on its way."""

from pathlib import Path

import pytest

from fakes.experiments import Run, build
from fakes.home import CONFIG, Home, wait_for
from notices.conftest import Receiver

SECRETS = ("tops3cretword", "hiddentoken")


@pytest.fixture
def home(tmp_path: Path, receiver: Receiver) -> Home:
    phone = tmp_path / "phone"
    phone.write_text(receiver.url + "\n")
    phone.chmod(0o600)
    return Home(
        tmp_path / "home",
        f"{CONFIG}notify:\n  phone: {{url_file: {phone}, tell: [end], digest_seconds: 0}}\n"
        "  desk: {url_env: RUNEXP_NO_SUCH_VARIABLE}\n",
    )


def test_a_test_message_goes_to_each_and_what_is_wrong_is_said(home: Home, receiver: Receiver) -> None:
    with home.running():
        done = home.runexp("notify", "test")
        assert done.returncode == 4
        assert "phone (json): sent; tells end" in done.stdout
        assert "desk (?): the daemon's environment has no RUNEXP_NO_SUCH_VARIABLE" in done.stdout
        assert [each["title"] for each in receiver.got] == ["runexp: a test"]
        assert home.runexp("notify", "test", "phone").returncode == 0
        assert home.runexp("notify", "test", "sofa").returncode == 1
        receiver.mood = "fails"
        failed = home.runexp("notify", "test", "phone", "--json")
        assert failed.returncode == 4
        assert home.json("notify", "status")[0]["waiting"] == 0
    assert not any(secret in done.stdout + failed.stdout + home.log() for secret in SECRETS)


def test_where_nobody_is_to_be_told_it_says_how(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with home.running():
        refused = home.runexp("notify", "test")
    assert refused.returncode == 1
    assert "hint: `notify:` in" in refused.stderr


@pytest.mark.long
def test_the_end_of_an_experiment_is_told_once_though_the_daemon_was_killed(
    home: Home, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.mood = "hangs"
    home.start()
    assert home.runexp("run", str(build(tmp_path / "exp", Run("rank8")))).returncode == 0
    wait_for(receiver.asked.is_set, "it is being told")
    home.kill()
    receiver.mood = "ok"
    with home.running():
        wait_for(lambda: len(receiver.got) == 2, "it is told again")
        wait_for(lambda: home.json("notify", "status")[0]["waiting"] == 0, "it has arrived")
    first, second = receiver.got
    assert first["title"] == second["title"] == "words is done"
    assert "rank8/words/epoch" in second["message"]
    assert "perhaps a second time" in second["message"]
    with home.running():
        assert home.json("notify", "status")[0]["waiting"] == 0
    assert len(receiver.got) == 2
