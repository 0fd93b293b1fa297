"""Who receives: a mail server and a web server on loopback, which can be down, hang, or refuse."""

import json
import threading
from collections.abc import Iterator
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Receiver:
    """A web server that takes JSON; `mood`: ok, fails, or hangs."""

    def __init__(self) -> None:
        self.mood = "ok"
        self.got: list[dict[str, Any]] = []
        #: Set when somebody has begun to send something.
        self.asked = threading.Event()
        self.released = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                mood = receiver.mood
                if mood != "fails":
                    receiver.got.append(json.loads(body))
                receiver.asked.set()
                if mood == "hangs":
                    receiver.released.wait(30)
                self.send_response(500 if mood == "fails" else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"json://someone:tops3cretword@127.0.0.1:{self.port}/hiddentoken"
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def stop(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.stop()


class Mails:
    def __init__(self) -> None:
        self.got: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.got.append(message_from_bytes(envelope.content))
        return "250 OK"
