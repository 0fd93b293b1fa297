"""The C library's heap, kept small: what was let go of is given back to the system, and not kept for each thread that ever was.

A C library that knows of no such thing is left as it is.
"""

import ctypes
from contextlib import suppress

#: Of malloc.h.
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
#: What is larger is a mapping of its own, and gone when it is let go of.
_LARGE_BYTES = 256 * 1024


def keep_one_heap() -> None:
    """For all threads, which take turns anyway. Call before there are any."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_ARENA_MAX, 1)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def give_back() -> None:
    """Takes some milliseconds."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
