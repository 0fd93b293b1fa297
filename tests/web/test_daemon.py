"""The page of a real daemon: off until somebody asks, there again after a crash, and no burden to anybody."""

import json
import os
import re
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from playwright.sync_api import expect

from fakes.experiments import Run, build
from fakes.home import CONFIG, Home, wait_for
from runexpd.experiments.problems import BadExperiment
from runexpd.settings import Web, parse
from runexpd.web.server import PORT
from web import browser as browsers
from web.browser import window
from web.site import Client

FORMS = ("text", "markdown", "csv", "json")


def opened(home: Home) -> tuple[str, int]:
    """An address that logs a browser in, and its port."""
    address: str = home.json("web")["address"]
    return address, int(address.partition("/login")[0].rpartition(":")[2])


def logged_in(home: Home) -> Client:
    address, port = opened(home)
    client = Client(port)
    cookie = client.post("/login", token=address.partition("#")[2]).getheader("set-cookie") or ""
    client.cookie = cookie.partition(";")[0]
    return client


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def its_usual_port_taken() -> Iterator[None]:
    """By us, or by whoever was there before."""
    with socket.socket() as ours:
        with suppress(OSError):
            ours.bind(("127.0.0.1", PORT))
            ours.listen()
        yield


def listening(home: Home) -> set[int]:
    """The ports of TCP that the daemon listens on."""
    assert home.daemon is not None
    sockets = {
        os.readlink(each) for each in Path(f"/proc/{home.daemon.pid}/fd").iterdir() if each.is_symlink()
    }
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {
        int(row[1].partition(":")[2], 16)
        for row in rows
        if row[3] == "0A" and f"socket:[{row[9]}]" in sockets
    }


@pytest.mark.long
def test_it_is_off_until_somebody_asks(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with home.running(), its_usual_port_taken():
        assert not listening(home)
        said = home.runexp("web")
        assert said.returncode == 0
        assert said.stdout.startswith("http://127.0.0.1:")
        assert "within 60 s" in said.stderr
        client = logged_in(home)
        assert listening(home) == {client.port}
        assert client.get("/api/experiments").status == 200
        assert json.loads(client.said) == {"type": "LsReply", "experiments": []}
        assert said.stdout.partition("#")[2].strip() not in home.log()
        kept = home.dir / "state" / "page.json"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        client.close()
        assert home.runexp("daemon", "reload").returncode == 0
        wait_for(lambda: listening(home) == {client.port}, "who asked for it has it after a reload, too", 20)
        assert client.get("/api/experiments").status == 200
        client.close()
        home.stop()
        home.start()
        assert not listening(home)
    assert "Traceback" not in home.log()


@pytest.mark.long
def test_a_port_that_is_somebody_elses_is_said_and_the_daemon_goes_on(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        home = Home(tmp_path / "home", CONFIG + f"web: {{port: {port}}}\n")
        with home.running():
            said = home.runexp("web")
            assert said.returncode == 1
            assert f"no page on 127.0.0.1:{port}: Address already in use" in said.stderr
            assert "another `port:`" in said.stderr
            assert home.runexp("ls").returncode == 0
            other.close()
            assert opened(home)[1] == port  # asked again, it is tried again
    assert "Traceback" not in home.log()


@pytest.mark.long
def test_every_page_and_answer_of_a_real_experiment(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", CONFIG)
    with home.running():
        assert home.runexp("run", str(build(tmp_path / "experiment"))).returncode == 0
        client, id = logged_in(home), home.json("ls")[0]["id"]
        for path in (
            "/",
            f"/e/{id}",
            f"/e/{id}/job?id=rank8",
            "/clusters",
            "/clusters/local",
            f"/compare?e={id}",
        ):
            assert client.get(path).status == 200, client.said
        assert client.get(f"/e/{id}").status == 200
        assert "<b>experiment</b> succeeded" in client.said
        assert "accuracy" in client.said
        assert home.runexp("archive", id).returncode == 0
        for path, is_there in (("/", False), ("/?state=archived", True), ("/compare", False)):
            assert client.get(path).status == 200
            assert (f'id="e-{id}"' in client.said) == is_there, path
        assert client.get(f"/api/experiments/{id}").status == 200
        told = json.loads(client.said)
        assert told["outcome"] == "succeeded"
        assert client.get(f"/api/experiments/{id}/curves?name=loss&points=10").status == 200
        assert {each["job"] for each in json.loads(client.said)["series"]} == {"rank4", "rank8"}
        for path in ("report", "job?id=rank8"):
            assert client.get(f"/api/experiments/{id}/{path}").status == 200
        for path in ("curves?points=many", "curves?points=-1", "nope", "job?id=nope"):
            assert client.get(f"/api/experiments/{id}/{path}").status in (400, 404, 405)
            assert json.loads(client.said)["what"]
        assert client.get(f"/api/compare/curves?e={id}&points=many").status == 400
        stream = client.get(f"/api/experiments/{id}/events?after=0")
        assert stream.status == 200
        seen = [stream.fp.readline() for _ in range(8)]
        assert b'data: {"seq":1,' in b"".join(seen)
        reset = client.get(f"/api/experiments/{id}/events?after=999999")
        assert b"event: reset" in b"".join(reset.fp.readline() for _ in range(8))
        output = client.get(f"/api/experiments/{id}/output?id=rank8")
        assert b"Loss" in output.read()
        for each in (stream, reset, output):
            each.close()
        client.close()
    assert "Traceback" not in home.log()


@pytest.mark.real
def test_two_real_experiments_side_by_side(tmp_path: Path) -> None:
    long = "qwen2.5-7b-instruct_lora_rank64_alpha128_lr2e-4"
    home = Home(tmp_path / "home", CONFIG + "web: on\n")
    runs = (Run("base", epochs=0), Run("rank4"), Run(long))
    build(tmp_path / "one", *runs, name="one")
    build(tmp_path / "two", *runs[:2], Run(long, epochs=2), name="two")
    with home.running(), browsers.running() as browser:
        for each in ("one", "two"):
            assert home.runexp("run", str(tmp_path / each)).returncode == 0
        said = {form: home.runexp("compare", "one", "two", "--format", form).stdout for form in FORMS}
        assert f"| {long}: config epochs | 1   | 2   |" in said["text"]
        assert "## Scores" in said["markdown"]
        assert (
            f"\n{'two'},{home.json('status', 'two')['id']},{long},words,1,match,accuracy,0.5," in said["csv"]
        )
        compared = json.loads(said["json"])
        assert [row["epoch"] for row in compared["scores"] if row["run"] == long] == [0, 1]
        for width in browsers.WIDTHS:
            with window(browser, width) as opened_window:
                page = opened_window.page
                page.goto(opened(home)[0])
                page.get_by_role("link", name="Compare").click()
                for each in ("one", "two"):
                    page.get_by_role("checkbox", name=each).check()
                page.get_by_role("button", name="Side by side").click()
                differs = page.get_by_role("region", name="What differs").get_by_role("row")
                expect(differs.filter(has_text="config epochs")).to_have_text(re.compile(r"epochs\s*2\s*1"))
                expect(page.locator("#curves .line")).to_have_count(4)
                expect(page.locator("#curves .line").filter(has_text="rank4")).to_have_text(
                    ["two: rank4", "one: rank4"]
                )
                expect(page.locator(".scores tbody tr")).to_have_count(7)
                assert not opened_window.is_too_wide()


@pytest.mark.long
def test_open_streams_do_not_hold_up_the_end(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", CONFIG + "web: on\n")
    home.start()
    client = logged_in(home)
    streams = [client.get("/api/events") for _ in range(5)]
    assert all(stream.status == 200 for stream in streams)
    assert home.daemon is not None
    home.daemon.send_signal(signal.SIGTERM)
    assert home.daemon.wait(6) == 0
    for stream in streams:
        stream.close()
    client.close()
    assert "Traceback" not in home.log()
    assert "still hangs" not in home.log()


@pytest.mark.long
def test_streams_are_bounded(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", CONFIG + "web: on\n")
    with home.running():
        client = logged_in(home)
        streams = [client.get("/api/events") for _ in range(64)]
        assert {stream.status for stream in streams} == {200}
        assert client.get("/api/events").status == 503
        for stream in streams:
            stream.close()
        client.close()
        wait_for(lambda: client.get("/api/events").status == 200, "a place is free again", 20)
        client.close()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("web: {listen: 0.0.0.0}", "other machines reach the page"),
        ("web: {listen: 192.168.1.7}", "other machines reach the page"),
        ("web: {listen: example.org}", "is no address"),
        ("web: {port: 0}", "port"),
        ("web: {prot: 1}", "prot"),
        ("web: 7", "web"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(said: str, why: str) -> None:
    with pytest.raises(BadExperiment) as refused:
        parse(said, "config.yaml")
    assert why in f"{refused.value.what} {refused.value.where}"


def test_what_may_be_said_of_the_page() -> None:
    assert parse("web: on", "c").web is True
    assert parse("local: {}", "c").web is False
    assert parse("web: {listen: '::1'}", "c").web == Web(listen="::1")
    assert parse("web: {listen: 0.0.0.0, beyond_loopback: true}", "c").web == Web(
        listen="0.0.0.0", beyond_loopback=True
    )


@pytest.mark.real
def test_a_daemon_that_was_killed_and_is_back(tmp_path: Path) -> None:
    port = free_port()
    home = Home(tmp_path / "home", CONFIG + f"web: {{port: {port}, actions: true}}\n")
    with home.running(), browsers.running() as browser, window(browser) as opened_window:
        opened_window.expected += ["ERR_", "Failed to"]
        page = opened_window.page
        experiment = build(tmp_path / "experiment", Run("rank4"), Run("slow", seconds=600))
        assert home.runexp("run", str(experiment), "--detach").returncode == 0
        page.goto(opened(home)[0])
        page.get_by_role("link", name="words").click()
        expect(page.locator("#group-done > summary")).to_contain_text("1")
        home.kill()
        expect(page.locator("#lost")).to_contain_text("gives no answer")
        home.start()
        expect(page.locator("#lost")).to_be_hidden()
        page.get_by_role("link", name="Cancel all …").click()  # still logged in
        page.get_by_role("button", name="Yes, end it").click()
        expect(page.locator(".title .chip")).to_have_text("cancelled")
