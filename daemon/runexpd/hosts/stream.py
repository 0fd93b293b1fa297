"""What comes from the far side, from where it is known to be ours."""

#: Of what isn't: for a message that says what was there instead.
KEPT_BYTES = 16 * 1024


class _Stream:
    """Drops what stands before `begin`, however much it is: a banner is nobody's answer."""

    def __init__(self) -> None:
        self.begin: bytes | None = None
        self.has_begun = False
        self.data = bytearray()

    def take(self, data: bytes) -> None:
        self.data += data
        if not self.has_begun:
            at = -1 if self.begin is None else self.data.find(self.begin)
            self.has_begun = at >= 0
            del self.data[: at if self.has_begun else max(0, len(self.data) - KEPT_BYTES)]


class Streams:
    """Of one session: nothing is expected until a script is sent."""

    def __init__(self) -> None:
        self._stdout, self._stderr = _Stream(), _Stream()
        self._most_bytes = 2 * KEPT_BYTES

    def expect(self, begin: bytes, most_bytes: int) -> None:
        """`most_bytes`: of both together, from `begin` on."""
        self._stdout.begin = self._stderr.begin = begin
        self._most_bytes = most_bytes

    def take(self, data: bytes, *, is_error: bool) -> None:
        (self._stderr if is_error else self._stdout).take(data)

    @property
    def is_full(self) -> bool:
        return len(self._stdout.data) + len(self._stderr.data) > max(self._most_bytes, 2 * KEPT_BYTES)

    @property
    def both(self) -> tuple[bytes, bytes]:
        return bytes(self._stdout.data), bytes(self._stderr.data)
