"""Hostile words on the command line, and hostile frames on the socket."""

from collections.abc import Iterator

from runexp.wire import framing

WORDS = {
    "nothing": "",
    "a blank": " ",
    "a newline": "a\nb",
    "control characters": "\x1b[31m\x07\x9b",
    "an override": "\u202ewords",
    "a byte": "\udcff",
    "a line separator": "a\u2028b",
    "a slash": "/",
    "a dot": ".",
    "dots": "../" * 500,
    "a home": "~nobody-at-all/x",
    "a long name": "x" * 5000,
    "a very long name": "x" * 100_000,
    "a colon": ":",
    "a cluster": "nowhere:/x",
    "a cluster without a path": "local:",
    "a path on this machine's cluster": "local:relative/../..",
    "a device": "/dev/zero",
    "a process": "/proc/self/root",
    "a file": "/etc/passwd",
    "a pattern": "*",
    "SQL": "'; DROP TABLE events; --",
    "a format": "%s%n{0}",
    "markup": "[bold]x[/bold]",
    "an emoji": "\U0001f4a5" * 100,
}
COMMANDS = (
    ("plan",), ("run", "--detach"), ("status",), ("attach", "--plain"), ("logs",), ("report",), ("report", "--format", "html"),
    ("cancel", "--yes"), ("retry", "--detach"), ("doctor",), ("login",), ("completion",),
)  # fmt: skip
#: With a job of an experiment that is there.
OF_JOBS = (("cancel", "--yes"), ("retry", "--detach"), ("accept", "--detach"), ("logs",))
USAGE = (
    ("logs", "words", "--tail", "9" * 5000), ("logs", "words", "--tail", "-1"), ("logs", "words", "--tail", "²"),
    ("logs", "words", "--tail", str(2**64)), ("run", ".", "--oom-retries", "9" * 30), ("run", ".", "--on-failure", "\x1b[31m"),
    ("run", ".", "--barrier", "\udcff"), ("report", "words", "--format", "\n"), ("\x1b[31m",), ("\udcff",), ("--\x07",), ("",),
    ("status", "a", "b"), ("accept", "words"), ("cancel",), ("attach", "--frobnicate"),
)  # fmt: skip


def lines(experiment: str) -> Iterator[tuple[str, ...]]:
    for word in WORDS.values():
        for command in COMMANDS:
            yield (*command, "--", word)
        for command in OF_JOBS:
            yield (*command, experiment, "--", word)
    yield from USAGE


HELLO = framing.pack(framing.Hello(framing.PROTOCOL, "0"))
REQUESTS: dict[str, bytes] = {
    "nothing": b"",
    "a line": b"\n",
    "bytes": b"\xff\xfe\n",
    "a NUL": b"\0\n",
    "no object": b"[]\n",
    "no type": b"{}\n",
    "another type": b'{"type": "Explode"}\n',
    "a type that is a list": b'{"type": [[]]}\n',
    "deep brackets": b"[" * 100_000 + b"\n",
    "deep types": b'{"type": ' * 100_000 + b"\n",
    "half a character": b'{"type": "Status", "experiment": "\\ud800"}\n',
    "half a character as bytes": b'{"type": "Status", "experiment": "\xed\xa0\x80"}\n',
    "a NUL in a name": b'{"type": "Status", "experiment": "a\\u0000"}\n',
    "a NUL in a job": b'{"type": "Cancel", "experiment": "words", "jobs": ["\\u0000"]}\n',
    "a number of 5000 digits": b'{"type": "Follow", "experiment": "words", "after": ' + b"9" * 5000 + b"}\n",
    "a number of 30 digits": b'{"type": "Follow", "experiment": "words", "after": ' + b"9" * 30 + b"}\n",
    "a negative number": b'{"type": "Follow", "experiment": "words", "after": -1}\n',
    "a number that is infinite": b'{"type": "Logs", "experiment": "words", "tail_bytes": 1e999}\n',
    "a number that is none": b'{"type": "Logs", "experiment": "words", "tail_bytes": NaN}\n',
    "choices of nonsense": b'{"type": "Run", "dir": "/x", "choices": {"oom_retries": -1}}\n',
    "choices of many retries": b'{"type": "Run", "dir": "/x", "choices": {"oom_retries": 99999999999999999999}}\n',
    "a relative directory": b'{"type": "Run", "dir": "../x"}\n',
    "an empty directory": b'{"type": "Run", "dir": ""}\n',
    "a directory of bytes": b'{"type": "PlanAsk", "dir": "/\\udcff"}\n',
    "an unknown cluster": b'{"type": "Run", "dir": "/x", "cluster": "\\u001b[31m"}\n',
    "a doctor of nowhere": b'{"type": "Doctor", "cluster": "\\u202e"}\n',
    "a login to this machine": b'{"type": "Login", "cluster": "local"}\n',
    "answers to nothing": b'{"type": "Answers", "answers": ["x"]}\n',
    "a hundred thousand jobs": b'{"type": "Retry", "experiment": "words", "jobs": ['
    + b'"a",' * 100_000
    + b'"a"]}\n',
    "a long line": b'{"type": "Ls", "x": "' + b"x" * 3_000_000 + b'"}\n',
    "no end": b'{"type": "Ls"',
    "choices of a wait of 300 years": b'{"type": "Run", "dir": "/x", "choices": {"stagger_evaluations_seconds": 1e10}}\n',
    "settings of nothing at a time": b'{"type": "Set", "experiment": "words", "settings": {"max_submit": 0}}\n',
    "settings that nobody knows": b'{"type": "Set", "experiment": "words", "settings": {"__class__": 1}}\n',
    "a file that never ends": b'{"type": "FileAsk", "experiment": "words", "path": "/dev/zero"}\n',
    "a file of another kind": b'{"type": "FileAsk", "experiment": "words", "path": "/proc/self/mem"}\n',
    "a file from beyond its end": b'{"type": "FileAsk", "experiment": "words", "path": "/etc/passwd", "offset": 9007199254740992}\n',
    "files of no kind": b'{"type": "FilesAsk", "experiment": "words", "kinds": ["x"]}\n',
    "files upwards": b'{"type": "FilesAsk", "experiment": "words", "kinds": ["logs"], "jobs": ["../.."]}\n',
    "a recipe of many attempts later": b'{"type": "Show", "experiment": "words", "job": "r", "attempt": 9007199254740992}\n',
    "nothing made anew": b'{"type": "Rerun", "experiment": "words", "jobs": []}\n',
    "curves of half a character": b'{"type": "Metrics", "experiment": "words", "names": ["\\ud83d"]}\n',
    "curves of a point": b'{"type": "Metrics", "experiment": "words", "points": 1}\n',
    "notices to nobody": b'{"type": "Notices", "addresses": ["\\u001b"], "test": true}\n',
    "lines of a log without end": b'{"type": "Logs", "experiment": "words", "tail_lines": 9007199254740992}\n',
    "two requests": b'{"type": "Ls"}\n{"type": "Ls"}\n',
    "a type twice": b'{"type": "Ls", "type": "Run"}\n',
    "more than was asked": b'{"type": "Ls", "x": 1}\n' + b"y" * 3_000_000,
}
HELLOS: dict[str, bytes] = {
    "bytes": b"\xff\n",
    "a protocol of 5000 digits": b'{"protocol": ' + b"9" * 5000 + b', "version": "0"}\n',
    "another protocol": b'{"protocol": 99999999999999999999, "version": "0"}\n',
    "a version that is half a character": b'{"protocol": 1, "version": "\\ud800"}\n',
    "deep brackets": b"[" * 100_000 + b"\n",
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
    "a long line": b"x" * 2_000_000,
}


def frames() -> Iterator[tuple[str, bytes]]:
    for name, data in REQUESTS.items():
        yield f"a request of {name}", HELLO + data
    for name, data in HELLOS.items():
        yield f"a hello of {name}", data
