"""`runexp` in a real (pseudo) terminal."""

import fcntl
import os
import pty
import select
import subprocess
import termios
import time
from contextlib import suppress

from fakes.home import BIN, Home, wait_for


class Terminal:
    """`runexp` in a terminal of its own."""

    def __init__(self, home: Home, *args: str, program: str = "runexp", controls: bool = True) -> None:
        """`controls`: whether Ctrl-C and a hang-up reach it as signals."""
        self.master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (40, 120))
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [BIN / program, *args],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env={**home.environment, "TERM": "xterm-256color", "COLUMNS": "120"},
            start_new_session=True,
            preexec_fn=lambda: controls and fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C is one
        )
        self.seen = ""

    def read(self, seconds: float = 0.05) -> str:
        """All that has been shown so far."""
        while select.select([self.master], [], [], seconds)[0]:
            with suppress(OSError):
                self.seen += os.read(self.master, 65536).decode(errors="replace")
        return self.seen

    def until(self, text: str) -> None:
        wait_for(lambda: text in self.read(), f"{text!r} is shown", 20)

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def hang_up(self) -> None:
        os.close(self.master)

    def exit_code(self) -> int:
        deadline = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read()
        self.read()
        code = self.process.wait(1)
        assert termios.tcgetattr(self.slave) == self.before, "the terminal was not put back"
        return code

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        with suppress(OSError):  # it hung up before
            os.close(self.master)
        os.close(self.slave)
