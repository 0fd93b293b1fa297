"""A process that has a program imported, and bears one for each message at its standard input: see fakes.commands."""

import gc
import importlib
import os
import pickle
import selectors
import signal
import socket
import sys
from contextlib import suppress
from typing import Never

#: Message by message: arguments, environment and directory; and the child's three files, and where its end is to be told.
door = socket.socket(fileno=0)


def serve() -> None:
    """Until whoever asks is gone."""
    events = selectors.DefaultSelector()
    events.register(door, selectors.EVENT_READ)
    while True:
        for key, _ in events.select():
            if key.fileobj is not door:
                events.unregister(key.fileobj)
                _tell(key.fd, *key.data)
            elif not _bear(events):
                return


def _tell(watched: int, pid: int, told: int) -> None:
    """Of its end; nobody may want to know."""
    os.close(watched)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with socket.socket(fileno=told) as born, suppress(OSError):
        born.send(str(code).encode())


def _bear(events: selectors.BaseSelector) -> bool:
    """Whether there was one more to bear."""
    wanted, descriptors, _, _ = socket.recv_fds(door, 1 << 17, 4)
    if not wanted:
        return False
    *files, told = descriptors
    pid = os.fork()
    if pid == 0:
        _become(wanted, files)
    for each in files:
        os.close(each)
    os.write(told, str(pid).encode())
    events.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, told))
    return True


def _become(wanted: bytes, files: list[int]) -> Never:
    for standard, file in enumerate(files):
        os.dup2(file, standard)
    os.closerange(3, 1024)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    argv, environment, directory = pickle.loads(wanted)
    sys.argv[:], sys.path[0] = argv, os.path.dirname(argv[0])
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    sys.exit(program.main())


if __name__ == "__main__":
    program = importlib.import_module(sys.argv[1])
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the tests
    serve()
