"""What comes from the daemon, in threads of their own: the screen takes it from a queue when it has time."""

import queue
import threading
from collections.abc import Callable

from runexp import connection
from runexp.connection import Lost, NoDaemon, Refusal
from runexp.talk import HungUp, Receiver
from runexp.wire import requests

_TAIL_BYTES = 32_000


class Feed:
    """What one thread said that has not been taken yet. `stop` ends the thread, whatever it waits for."""

    def __init__(self) -> None:
        self._said: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.receiver = Receiver()

    def put(self, said: object) -> None:
        self._said.put(said)

    def taken(self, most: int = 5000) -> list[object]:
        """What has come, so much of it at most."""
        return [self._said.get() for _ in range(min(most, self._said.qsize()))]

    def stop(self) -> None:
        self.receiver.hang_up()

    def start(self, work: Callable[["Feed"], None]) -> "Feed":
        """What ends the work by raising is the last thing said."""

        def run() -> None:
            try:
                work(self)
            except HungUp:
                pass
            except Exception as error:  # raised again by whoever takes it, or shown
                self.put(error)

        threading.Thread(target=run, daemon=True).start()
        return self


#: Said in its place among the replies, so that none before it takes it back.
GONE = "the daemon went away; jobs go on, waiting for its return"


def follow(experiment: str, after: int) -> Feed:
    """Replies, and GONE where the daemon went away."""

    def work(feed: Feed) -> None:
        lost = lambda: feed.put(GONE)  # noqa: E731
        for reply in connection.follow(experiment, after, lost, receiver=feed.receiver):
            feed.put(reply)

    return Feed().start(work)


def output(experiment: str, job: str) -> Feed:
    """The end of a job's output as text, and what is added to it."""

    def work(feed: Feed) -> None:
        asked = requests.Logs(experiment=experiment, job=job, follow=True, tail_bytes=_TAIL_BYTES)
        for reply in connection.stream(asked, connection.say_nothing, feed.receiver):
            if isinstance(reply, requests.Chunk):
                feed.put(reply.text)

    return Feed().start(work)


def experiments(every_seconds: float) -> Feed:
    """All of them, again and again."""

    def work(feed: Feed) -> None:
        rest = threading.Event()
        while not rest.wait(every_seconds):
            feed.receiver.check()
            try:
                feed.put(connection.ask(requests.Ls(), requests.LsReply, connection.say_nothing))
            except (NoDaemon, Lost):
                feed.put(GONE)

    return Feed().start(work)


def do(request: requests.Request, kind: type[object]) -> Feed:
    """Ask for something to be done: its reply, or the error that it ended with."""

    def work(feed: Feed) -> None:
        feed.put(connection.ask(request, kind, connection.say_nothing))

    return Feed().start(work)


def words(error: Exception) -> str:
    """What went wrong, and what to do about it, in a line."""
    if isinstance(error, Refusal):
        refused = error.refused
        where = f" ({refused.where})" if refused.where else ""
        return f"{refused.what}{where}" + (f"; {refused.hint}" if refused.hint else "")
    if isinstance(error, Lost):
        return GONE
    return str(error)
