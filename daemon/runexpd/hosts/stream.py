"""What comes from the far side, from where it is known to be ours."""

#: Of what isn't ours: for a message that says what was there instead.
_KEPT_BYTES = 4096


class Stream:
    """Drops what stands before `begin`, however much it is: a banner is nobody's answer."""

    def __init__(self, begin: bytes) -> None:
        self._begin = begin
        self._has_begun = False
        self.data = bytearray()

    def take(self, data: bytes) -> None:
        self.data += data
        if not self._has_begun:
            at = self.data.find(self._begin)
            self._has_begun = at >= 0
            del self.data[: at if self._has_begun else max(0, len(self.data) - _KEPT_BYTES)]
