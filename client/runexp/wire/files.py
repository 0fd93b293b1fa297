"""An experiment's files, as they are listed and brought home piece by piece."""

from enum import StrEnum
from typing import Annotated

import msgspec

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Kind(StrEnum):
    """What of an experiment's files somebody may want."""

    #: Its summary and its run logs.
    REPORTS = "reports"
    #: Evaluation logs.
    LOGS = "logs"
    #: What jobs printed.
    OUTPUTS = "outputs"
    #: The adapters alone of what was trained.
    ADAPTERS = "adapters"
    #: All of it.
    CHECKPOINTS = "checkpoints"


class RemoteFile(msgspec.Struct, frozen=True, kw_only=True):
    kind: Kind
    #: Absolute, on the cluster.
    path: str
    #: Below the experiment's directory; empty: it lies elsewhere.
    below: str
    size_bytes: int
    #: Seconds since 1970, whole ones.
    modified_at: float
    #: Empty: the experiment's own.
    job: str = ""


class FilesAsk(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type"):
    """Which files there are of an experiment. Answered by `FilesReply`."""

    experiment: str
    kinds: tuple[Kind, ...]
    #: Ids; none: all.
    jobs: tuple[str, ...] = ()


class FilesReply(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type"):
    experiment: str
    name: str
    cluster: str
    dir: str
    files: tuple[RemoteFile, ...]
    #: What is there and can't be had, each with the reason.
    left_out: tuple[str, ...] = ()


class FileAsk(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type"):
    """A file of those that were listed, from `offset` on. The connection carries `Piece`, then `FileEnd`."""

    experiment: str
    path: str
    offset: _Count = 0
    #: At most; 0: as fast as it goes.
    bytes_per_second: _Count = 0


class Piece(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type"):
    offset: int
    data: bytes
    #: Of the whole file, as it was when this was read.
    size_bytes: int
    modified_at: float


class FileEnd(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type"):
    """The file as it was after the last piece."""

    size_bytes: int
    modified_at: float
    #: In hexadecimal digits; empty where the cluster has no sha256sum.
    sha256: str = ""
