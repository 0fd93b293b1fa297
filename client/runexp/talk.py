"""One conversation on the socket: lines out and in, and a word while nobody answers."""

import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from runexp.wire import framing

#: Without an answer: a word after so long, and then each time so much has passed.
FIRST_WORD_SECONDS, EVERY_SECONDS = 5.0, 30.0
#: A queue that is full is tried again after this long.
_QUEUE_SECONDS = 0.1

#: Called while there is no answer, with the seconds that have passed. What it raises gives up.
Waiting = Callable[[float], None]


class Patience:
    """Who is told that there is no answer, and when."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._began = time.monotonic()
        self._next_seconds = FIRST_WORD_SECONDS

    def look(self) -> float:
        """Tell what is due; how many seconds there are until the next word."""
        passed = time.monotonic() - self._began
        if passed >= self._next_seconds:
            self._waiting(passed)
            self._next_seconds = (passed // EVERY_SECONDS + 1) * EVERY_SECONDS
        return max(0.0, self._next_seconds - passed)


class HungUp(Exception):
    """Raised in the thread that listens when another one has hung up."""


class Receiver:
    """What another thread hangs up by, whatever is being waited for."""

    def __init__(self) -> None:
        self._client: socket.socket | None = None
        self._is_down = False
        self._lock = threading.Lock()

    def hang_up(self) -> None:
        with self._lock:
            self._is_down = True
            if self._client is not None:
                with suppress(OSError):  # the other side was first
                    self._client.shutdown(socket.SHUT_RDWR)

    def take(self, client: socket.socket) -> None:
        """This is what is talked over. Raises HungUp."""
        with self._lock:
            self._client = client
        self.check()

    def check(self) -> None:
        """Raises HungUp."""
        if self._is_down:
            raise HungUp


class Talk:
    """Lines to the daemon and from it."""

    def __init__(self, client: socket.socket, patience: Patience, receiver: Receiver | None = None) -> None:
        self._client = client
        self._receiver = receiver or Receiver()
        self._receiver.take(client)
        self._patience: Patience | None = patience
        self._ready = select.poll()
        self._ready.register(client, select.POLLIN)
        self._read = bytearray()

    def send(self, packed: bytes) -> None:
        # A daemon that hung up may have said why: that is still to be read.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._client.sendall(packed)

    def wait_in_silence(self) -> None:
        """It has answered: from here on silence is no news."""
        self._patience = None

    def line(self) -> bytes:
        """The next line; empty at the end, which a line that was cut off also is. Raises OSError and HungUp."""
        searched = 0
        while (end := self._read.find(b"\n", searched)) < 0:
            searched = len(self._read)
            self._wait()
            data = self._client.recv(65536)
            self._receiver.check()
            if searched > framing.MAX_LINE_BYTES or not data:
                return b""
            self._read += data
        line = bytes(self._read[: end + 1])
        del self._read[: end + 1]
        return line

    def _wait(self) -> None:
        while not self._ready.poll(None if self._patience is None else self._patience.look() * 1000):
            pass


def dialled(path: str, patience: Patience) -> socket.socket:
    """Connected, however long the queue is. Raises OSError."""
    client = socket.socket(socket.AF_UNIX)
    try:
        while not _is_in_queue(client, path):
            time.sleep(min(patience.look(), _QUEUE_SECONDS))
        client.setblocking(True)
        return client
    except BaseException:
        client.close()
        raise


def _is_in_queue(client: socket.socket, path: str) -> bool:
    """Whether the daemon's queue had room. A blocking connect would wait there without a word."""
    client.setblocking(False)
    try:
        client.connect(path)
    except BlockingIOError:
        return False
    return True
