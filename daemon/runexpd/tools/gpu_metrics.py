"""`gpu_metrics.csv`, as `nvidia-smi --query-gpu=timestamp,... --format=csv -l 30` writes it beside a training. Pure.

Its columns are in its first line: `timestamp, index, utilization.gpu [%], memory.used [MiB], ...`; its times have no zone, so
they count from the first one.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

from runexp.wire import metrics
from runexpd.tools.curves import Point, is_finite, number_of

FILE = "gpu_metrics.csv"
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_MIB_PER_GIB = 1024


def parse(text: str, head: str) -> tuple[Iterator[Point], str]:
    """Points, and the head: the table's first line and its first time."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    header, _, began = head.partition("\n")
    if not header and lines and "utilization.gpu" in lines[0]:
        header = lines.pop(0)
    columns = [name.strip().partition(" ")[0] for name in header.split(",")]
    rows = [(at, row) for line in lines if (row := _row(columns, line)) and (at := _time(row)) is not None]
    if rows and not began:
        began = str(rows[0][0])
    return _points(rows, float(began or 0)), f"{header}\n{began}" if header else ""


def memory_gib(text: str) -> float | None:
    """What one GPU has; None where the table doesn't say."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    columns = [name.strip().partition(" ")[0] for name in lines[0].split(",")] if lines else []
    found = (_value(_row(columns, line), "memory.total") for line in lines[1:])
    total = next((value for value in found if value is not None), None)
    return None if total is None or not is_finite(total) else total / _MIB_PER_GIB


def _row(columns: list[str], line: str) -> dict[str, str]:
    cells = [cell.strip() for cell in line.split(",")]
    return dict(zip(columns, cells, strict=True)) if len(cells) == len(columns) else {}


def _time(row: dict[str, str]) -> float | None:
    try:
        at = datetime.strptime(row.get("timestamp", "")[:19], "%Y/%m/%d %H:%M:%S")  # noqa: DTZ007 - it has no zone
    except ValueError:
        return None
    return (at - datetime(2000, 1, 1)).total_seconds()  # noqa: DTZ001


def _points(rows: list[tuple[float, dict[str, str]]], began: float) -> Iterator[Point]:
    """Of all GPUs together: how busy they are on average, and the most that one of them holds."""
    for at, group in groupby(rows, key=lambda row: row[0]):
        seconds, gpus = max(0.0, at - began), [row for _, row in group]
        busy = [value for row in gpus if (value := _value(row, "utilization.gpu")) is not None]
        held = [value for row in gpus if (value := _value(row, "memory.used")) is not None]
        if busy:
            yield Point(metrics.GPU_UTILIZATION, int(seconds), sum(busy) / len(busy), seconds)
        if held:
            yield Point(metrics.GPU_MEMORY, int(seconds), max(held) / _MIB_PER_GIB, seconds)


def _value(row: dict[str, str], column: str) -> float | None:
    match = _NUMBER.match(row.get(column, ""))
    return number_of(match[0]) if match else None
