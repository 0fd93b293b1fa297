"""A look at the shell at the other end: what it says by itself, whether what is sent arrives, how far away it is."""

import shlex
import statistics
import time
from collections.abc import Iterator, Sequence

from runexp.text import printable
from runexp.wire.views import Check, Verdict
from runexpd.hosts import envelope, stream
from runexpd.hosts.base import (
    Answer,
    HostError,
    HostUnreachable,
    ListDir,
    Listing,
    Locate,
    Part,
    Place,
    ReadPart,
)
from runexpd.hosts.shell import ShellHost, astray

_ROUND_TRIPS = 5
_SLOW_SECONDS = 0.5
#: From the last training's end to the first evaluation: a second, and so many answers one after the other.
_BARRIER_SECONDS, _BARRIER_TRIPS = 1.0, 4
#: A banner that long makes every command slower.
_LOUD_BYTES = 10_000
_ODD_WORDS = ("it's", 'a "b"', "$HOME `id` !!", "back\\slash", "new\nline", "*", "ünï")
_MOST_BYTES = 1_000_000
_ASKS = (
    ListDir("/"),
    Locate("/etc/../etc/passwd"),
    ReadPart("/etc/passwd", 0, 64),
    ReadPart("/etc/passwd", -8, 8),
)


async def examine(host: ShellHost) -> list[Check]:
    """Verdicts; of what gives no answer a bad one, and nothing further."""
    try:
        return [await _quiet(host), await _as_sent(host), await _files(host), await _round_trip(host)]
    except HostUnreachable as error:
        hint = f"see what this prints: ssh {shlex.quote(host.shell.name)} /bin/sh -c true"
        return [Check(name="commands", verdict=Verdict.BAD, found=error.what, hint=hint)]


async def _quiet(host: ShellHost) -> Check:
    """What the account's start-up files write before a command of ours; it is thrown away."""
    marks = envelope.marks()
    stdout, stderr = await host.shell.run(
        envelope.sealed("true", marks), b"", f"{host.shell.name}: shell", _MOST_BYTES
    )
    noise = stdout.partition(marks.begin)[0] + stderr.partition(marks.begin)[0]
    if marks.begin not in stdout:
        raise HostUnreachable(printable(astray(marks, stdout, stderr)))
    if not noise:
        return Check(name="shell", verdict=Verdict.OK, found="says nothing of its own")
    most = "or more " if len(noise) >= stream.KEPT_BYTES else ""
    found = (
        f"writes {len(noise)} bytes {most}of its own before a command: {printable(_text(noise.strip()))[:60]}"
    )
    if len(noise) < _LOUD_BYTES:
        return Check(name="shell", verdict=Verdict.OK, found=f"{found}; thrown away")
    hint = "works, more slowly: have ~/.bashrc and its like write only where somebody looks ([ -t 1 ])"
    return Check(name="shell", verdict=Verdict.WARNING, found=found, hint=hint)


async def _as_sent(host: ShellHost) -> Check:
    ran = await host.run(["printf", "%s\\0", *_ODD_WORDS])
    if (ran.exit_code, ran.stdout) == (0, "".join(f"{word}\0" for word in _ODD_WORDS)):
        return Check(name="commands", verdict=Verdict.OK, found="arrive as they are sent")
    found = f"don't arrive as they are sent: {printable(ran.stdout or ran.stderr)[:100]}"
    hint = "something between changes them: a ForceCommand of the site's, perhaps; ask there"
    return Check(name="commands", verdict=Verdict.BAD, found=found, hint=hint)


async def _files(host: ShellHost) -> Check:
    try:
        answers = await host.fetch(_ASKS)
    except HostError as error:
        answers, why = [], error.what
    else:
        why = ", ".join(_wrong(answers))
    if answers and not why:
        return Check(name="files", verdict=Verdict.OK, found="are read by commands; SFTP is not needed")
    hint = (
        "find, stat, head, tail, xargs and readlink are needed, GNU's or busybox's: see to PATH (`prepend`)"
    )
    return Check(name="files", verdict=Verdict.BAD, found=f"can't be read by commands: {why}", hint=hint)


def _wrong(answers: Sequence[Answer]) -> Iterator[str]:
    listing, place, head, tail = answers
    if not isinstance(listing, Listing) or not listing.entries:
        yield "no directory can be listed"
    if place != Place("/etc/passwd"):
        yield "no link can be followed"
    if not isinstance(head, Part) or not isinstance(tail, Part) or not (head.data and tail.data):
        yield "no file can be read"


async def _round_trip(host: ShellHost) -> Check:
    times = []
    for _ in range(_ROUND_TRIPS):
        began = time.monotonic()
        await host.run(["true"])
        times.append(time.monotonic() - began)
    seconds = statistics.median(times)
    barrier = _BARRIER_SECONDS + _BARRIER_TRIPS * seconds
    found = f"{seconds * 1000:.0f} ms for a command; from here a barrier takes about {barrier:.1f} s"
    if seconds > _SLOW_SECONDS:
        hint = "works, slowly: a login node nearer to you may be quicker"
        return Check(name="round trip", verdict=Verdict.WARNING, found=found, hint=hint)
    return Check(name="round trip", verdict=Verdict.OK, found=found)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
