"""Who may look: one-time tokens, other sites, other names, other users; and requests that are huge or slow."""

import json
import socket
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import pytest
from loguru import logger

from fakes import daemon as shown
from runexpd.settings import Web
from runexpd.web import guard, keys, patience
from runexpd.web.keys import Keys
from runexpd.web.policy import Policy
from web.site import Client, Site


def token(site: Site) -> str:
    return site.opened().partition("#")[2]


def test_nobody_sees_anything_without_a_token(site: Site) -> None:
    site.show(shown.experiment())
    stranger = Client(site.port)
    for path in (
        "/",
        "/e/e1",
        "/e/e1/job?id=rank8",
        "/clusters",
        "/clusters/della",
        "/compare?e=e1",
        "/nope",
    ):
        assert stranger.get(path).status == 401
        assert "words" not in stranger.said
    for path in (
        "/api/experiments",
        "/api/experiments/e1",
        "/api/experiments/e1/events",
        "/api/events",
        "/api/daemon",
    ):
        assert stranger.get(path).status == 401
    assert stranger.post("/e/e1/cancel").status == 401
    assert stranger.post("/api/experiments/e1/cancel").status == 401
    assert site.asked == []


def test_a_token_is_good_once(site: Site) -> None:
    once = token(site)
    assert Client(site.port).post("/login", token=once).status == 303
    assert Client(site.port).post("/login", token=once).status == 403
    assert Client(site.port).post("/login", token="guess").status == 403
    assert Client(site.port).post("/login").status == 403


def test_a_link_preview_uses_nothing_up(site: Site) -> None:
    address = site.opened()
    preview = Client(site.port)
    assert preview.get("/login").status == 200  # a fragment is never sent
    assert preview.post("/login", token=address.partition("#")[2]).status == 303


def test_a_token_is_good_for_a_minute(kept: Path) -> None:
    now = [1000.0]
    made = Keys(kept, lambda: now[0])
    early, late = made.mint(), made.mint()
    now[0] += keys.TOKEN_SECONDS - 1
    session = made.redeem(early)
    assert session is not None
    now[0] += 2
    assert made.redeem(late) is None
    now[0] += keys.SESSION_SECONDS
    assert not made.knows(session)


def test_only_hashes_are_kept_and_a_restart_logs_nobody_out(kept: Path) -> None:
    made = Keys(kept)
    session = made.redeem(made.mint())
    assert session is not None
    made.save()
    assert session not in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600
    again = Keys(kept)
    again.load()
    assert again.knows(session)
    again.forget(session)
    assert not again.knows(session)


@pytest.mark.parametrize("spoilt", ["", "[1]", '{"a": "b"}', "\x00"])
def test_a_file_of_logins_that_cannot_be_read_is_none(kept: Path, spoilt: str) -> None:
    kept.write_text(spoilt)
    made = Keys(kept)
    made.load()
    assert not made.knows("")


def test_the_cookie_is_strict_and_named_by_the_instance(site: Site) -> None:
    cookie = Client(site.port).post("/login", token=token(site)).getheader("set-cookie") or ""
    assert cookie.startswith("runexp-")
    for word in ("HttpOnly", "SameSite=strict", "Path=/"):
        assert word in cookie


def test_logging_out_is_for_good(site: Site, client: Client) -> None:
    assert client.get("/").status == 200
    assert client.post("/logout").status == 303
    assert client.get("/").status == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8738", "", "localhost@evil", "[::1"]
)
def test_a_name_that_is_not_ours_is_refused(client: Client, host: str) -> None:
    assert client.get("/", host=host).status in (400, 421)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "LOCALHOST:9999", "[::1]:8738"])
def test_a_tunnel_may_have_any_port(client: Client, host: str) -> None:
    assert client.get("/", host=host).status == 200


def test_a_name_of_the_configuration_is_ours() -> None:
    policy = Policy(hosts=("Me.Tail.ts.net",))
    assert policy.knows("me.tail.ts.net")
    assert not policy.knows("you.tail.ts.net")


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},  # another user's page, on another port
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:1"},
        {"origin": "null"},
        {"origin": "http://["},
    ],
)
@pytest.mark.parametrize("settings", [Web(actions=True)])
def test_another_sites_form_and_script_change_nothing(
    site: Site, client: Client, headers: dict[str, str]
) -> None:
    site.show(shown.experiment())
    assert client.post("/e/e1/cancel", headers).status == 403
    assert client.post("/api/experiments/e1/cancel", headers).status == 403
    assert client.post("/logout", headers).status == 403
    assert client.post("/login", headers, token=token(site)).status == 403
    assert site.asked == []
    assert client.get("/").status == 200


@pytest.mark.parametrize("number", ["%C2%B2", "%D9%A3", "-1", "9" * 5000])
def test_what_is_no_number_is_refused(site: Site, client: Client, number: str) -> None:
    site.show(shown.experiment())
    assert client.get(f"/api/experiments/e1/recipe?id=r&attempt={number}").status == 400


@pytest.mark.parametrize("site_of", ["cross-site", "same-site"])
def test_another_sites_script_reads_nothing(client: Client, site_of: str) -> None:
    assert client.get("/api/experiments", sec_fetch_site=site_of).status == 403
    reply = client.get("/", sec_fetch_site=site_of)
    assert reply.getheader("cross-origin-resource-policy") == "same-origin"
    assert reply.getheader("access-control-allow-origin") is None


def test_every_answer_says_what_a_browser_may_do(site: Site, client: Client) -> None:
    for path in ("/", "/login", "/nope", "/api/experiments", "/api/nope", "/static/page.css"):
        for who in (client, Client(site.port)):
            reply = who.get(path)
            assert "default-src 'none'" in (reply.getheader("content-security-policy") or "")
            assert "unsafe" not in (reply.getheader("content-security-policy") or "")
            assert reply.getheader("x-content-type-options") == "nosniff"
            assert reply.getheader("referrer-policy") == "no-referrer"
            assert ("no-store" in (reply.getheader("cache-control") or "")) != (path == "/static/page.css")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE"])
def test_there_is_nothing_else_to_do(client: Client, method: str) -> None:
    assert client.ask(method, "/", b"", {}).status == 405


def test_it_is_for_looking_unless_told(site: Site, client: Client) -> None:
    site.show(shown.experiment())
    assert client.post("/e/e1/cancel").status == 400
    assert client.post("/api/experiments/e1/cancel").status == 400
    assert client.get("/e/e1/cancel").status == 400
    assert "/cancel" not in client.said
    client.get("/e/e1")
    assert "Cancel" not in client.said
    assert site.asked == []


def test_a_request_that_is_too_large_is_refused(client: Client) -> None:
    assert client.ask("POST", "/login", b"x" * (guard.MOST_BYTES + 1), {}).status == 413


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"GARBAGE\r\n\r\n"]
)
def test_whoever_says_half_a_request_is_let_go(
    site: Site, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(patience, "HEADER_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as slow:
        slow.sendall(begun)
        assert slow.recv(100)[:12] in (b"", b"HTTP/1.1 400")
    assert Client(site.port).get("/login").status == 200


def test_a_body_that_never_comes_is_not_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as slow:
        slow.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nto")
        assert b" 408 " in slow.recv(100)


@pytest.mark.parametrize(
    "rest",
    [
        b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffffffffff\r\nx",
        b"Transfer-Encoding: chunked\r\n\r\n-5\r\nx",
        b"Transfer-Encoding: chunked\r\n\r\n1\r\nxGARBAGE\r\n\r\n",
    ],
)
@pytest.mark.parametrize("path", [b"/", b"/login", b"/api/experiments"])
def test_a_request_that_turns_out_to_be_none_is_nobodys_fault(site: Site, path: bytes, rest: bytes) -> None:
    said: list[str] = []
    handler = logger.add(said.append, format="{message}")
    try:
        with socket.create_connection(("127.0.0.1", site.port), timeout=10) as client:
            client.sendall(b"POST %b HTTP/1.1\r\nHost: localhost\r\n%b" % (path, rest))
            while client.recv(1000):
                pass
        assert Client(site.port).get("/login").status == 200
    finally:
        logger.remove(handler)
    assert said == []


def test_connections_are_bounded_and_let_go_of(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "MOST_CONNECTIONS", 3)
    monkeypatch.setattr(patience, "HEADER_SECONDS", 1.0)
    many = [socket.create_connection(("127.0.0.1", site.port), timeout=10) for _ in range(8)]
    deadline = time.monotonic() + 20
    for each in many:
        each.settimeout(max(0.1, deadline - time.monotonic()))
        with suppress(ConnectionResetError):
            assert each.recv(10) == b""
        each.close()
    assert Client(site.port).get("/login").status == 200


def test_those_that_say_nothing_hold_up_nobody(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "MOST_CONNECTIONS", 3)
    many = [socket.create_connection(("127.0.0.1", site.port), timeout=10) for _ in range(8)]
    assert Client(site.port).get("/login").status == 200
    for each in many:
        each.close()


def test_one_that_is_answered_is_not_let_go_for_another(
    site: Site, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "MOST_CONNECTIONS", 1)
    follow = f"GET /api/events HTTP/1.1\r\nHost: localhost\r\nCookie: {client.cookie}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as following:
        following.sendall(follow.encode())
        assert b" 200 " in following.recv(100)
        other = socket.create_connection(("127.0.0.1", site.port), timeout=10)
        with other, suppress(ConnectionResetError):
            assert other.recv(10) == b""
        following.settimeout(0.1)
        with suppress(TimeoutError):
            assert following.recv(65536)  # not its end


def test_a_browser_that_reads_nothing_holds_up_nobody(
    site: Site, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [shown.job(f"run{number}") for number in range(3000)]
    site.show(shown.experiment(*jobs))
    request = f"GET /api/experiments/e1 HTTP/1.1\r\nHost: localhost\r\nCookie: {client.cookie}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", site.port)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(request.encode())
        assert client.get("/api/experiments/e1").status == 200
        assert len(json.loads(client.said)["jobs"]) == 3000


@pytest.mark.parametrize("settings", [Web(actions=True)])
def test_what_is_asked_is_asked_of_the_jobs_that_were_named(site: Site, client: Client) -> None:
    site.show(shown.experiment(shown.job("rank8"), shown.job("rank4")))
    assert client.get("/e/e1/cancel?job=rank8").status == 200
    assert "End rank8?" in client.said
    assert client.post("/e/e1/cancel", job="rank8").status == 303
    assert (
        client.post("/api/experiments/e1/cancel", {"origin": f"http://127.0.0.1:{client.port}"}).status == 200
    )
    assert [(asked.experiment, asked.jobs) for asked in site.asked] == [("e1", ("rank8",)), ("e1", ())]  # type: ignore[union-attr]
    assert client.get("/e/e1/cancel?" + urlencode({"job": "nope"})).status == 404
    assert client.post("/e/e1/explode").status == 404
