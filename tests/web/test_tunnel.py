"""The page as docs/page.md has it reached from elsewhere: through `ssh -L`, on a phone, by any local port, alive, and back after a cut."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from playwright.sync_api import expect

from fakes.experiments import Run, build
from fakes.home import CONFIG, Home, wait_for
from fakes.sshd import USER, FakeSshd, run_sshd
from web import browser as browsers
from web.browser import Window, window
from web.test_daemon import free_port

pytestmark = pytest.mark.real

expect.set_options(timeout=30_000)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[FakeSshd]:
    """Of the workstation."""
    place = tmp_path / "workstation"
    place.mkdir()
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(run_sshd(place)) as running:
        yield running


@contextmanager
def tunnel(sshd: FakeSshd, local: int, port: int) -> Iterator[None]:
    """`ssh -L`, as a person types it."""
    options = {
        "IdentityFile": sshd.identity,
        "UserKnownHostsFile": sshd.known_hosts,
        "ExitOnForwardFailure": "yes",
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
    }
    said = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    forward = ["-N", "-L", f"{local}:localhost:{port}", "-p", str(sshd.port)]
    process = subprocess.Popen(["ssh", "-F", "none", *said, *forward, f"{USER}@127.0.0.1"])
    try:
        wait_for(lambda: is_open(local), "the tunnel is there", 20)
        yield
    finally:
        process.terminate()
        process.wait(20)


def is_open(port: int) -> bool:
    """Whether somebody listens there; nothing is said to them."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(int(row[1].partition(":")[2], 16) == port and row[3] == "0A" for row in rows)


def logged_in(home: Home, opened: Window, name: str, local: int, port: int) -> None:
    """What `runexp web` prints there, by this end's name and port."""
    address: str = home.json("web")["address"]
    assert f":{port}/login#" in address
    opened.page.goto(f"http://{name}:{local}/login{address[address.index('#') :]}")
    expect(opened.page.get_by_role("heading", name="Experiments")).to_be_visible()
    assert opened.page.url == f"http://{name}:{local}/"


@pytest.mark.timeout(180)
def test_all_of_it_through_a_tunnel_on_a_phone(tmp_path: Path, sshd: FakeSshd) -> None:
    port, local = free_port(), free_port()
    home = Home(tmp_path / "home", CONFIG + f"web: {{port: {port}, actions: true}}\n")
    experiment = build(
        tmp_path / "experiment", Run("rank4"), Run("rank8", fate="bad_config"), Run("slow", seconds=600)
    )
    with home.running(), browsers.running() as browser, window(browser) as opened:
        opened.expected += ["ERR_", "Failed to"]
        assert home.runexp("run", str(experiment), "--detach").returncode == 0
        page = opened.page
        with tunnel(sshd, local, port):
            for name in ("127.0.0.1", "localhost"):
                logged_in(home, opened, name, local, port)
                assert not opened.is_too_wide()
            page.get_by_role("link", name="words").click()
            expect(page.locator("#group-failed")).to_contain_text("Missing key epochs")
            page.get_by_role("link", name="rank8", exact=True).click()
            expect(page.locator("#output")).to_contain_text("Traceback")  # a stream
            assert not opened.is_too_wide()
            page.go_back()
            page.get_by_role("button", name="Hover and zoom").click()
            expect(page.locator(".plot .main-svg").first).to_be_visible()
            expect(page.locator("#group-running")).to_contain_text("slow")
            assert not opened.is_too_wide()
        expect(page.locator("#lost")).to_contain_text("gives no answer")
        assert home.runexp("cancel", "--yes", "words", "slow").returncode == 0
        with tunnel(sshd, local, port):
            expect(page.locator("#lost")).to_be_hidden()
            expect(page.locator("#group-failed")).to_contain_text("slow")  # nothing was loaded anew
            page.get_by_role("link", name="Retry what failed …").click()
            page.get_by_role("button", name="Yes, submit again").click()
            expect(page.locator("#group-running")).to_contain_text("slow")
            assert home.runexp("cancel", "--yes", "words").returncode == 0
            expect(page.locator(".title .chip")).to_have_text("cancelled")
