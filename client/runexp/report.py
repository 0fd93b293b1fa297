"""Words and tables of reports: durations, what a job was given and used. Pure."""

from collections.abc import Callable, Iterator, Sequence

from runexp.text import on_one_line
from runexp.ui import cells
from runexp.wire.jobs import Resources, Usage
from runexp.wire.views import JobView


def duration(seconds: float | None) -> str:
    """`9 s`, `2 min 05 s`, `1 h 03 min`, `3 d 04 h`; a dash for None."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    for size, name, below, of_below in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // below:02d} {of_below}"
    return f"{whole} s"


def elapsed(job: JobView) -> float | None:
    """How long a job's newest attempt ran, in seconds."""
    if job.started_at is None or job.ended_at is None:
        return None
    return max(0.0, job.ended_at - job.started_at)


def utilization(elapsed_seconds: float, usage: Usage) -> str:
    """`1 min 12 s of 30 min 00 s (4%), 1 GPU, 4 CPUs (92%), memory 3.1 GiB of 8.0 GiB (39%)`, as far as it is known."""
    parts = [duration(elapsed_seconds) + _of(elapsed_seconds, usage.time_limit_seconds, duration)]
    if usage.gpus:
        parts.append(f"{usage.gpus} GPU{'s' * (usage.gpus > 1)}")
    if usage.cpus:
        could = usage.cpus * elapsed_seconds
        busy = f" ({usage.cpu_seconds / could:.0%})" if usage.cpu_seconds is not None and could else ""
        parts.append(f"{usage.cpus} CPU{'s' * (usage.cpus > 1)}{busy}")
    if usage.peak_memory_bytes:
        asked = _of(usage.peak_memory_bytes, usage.memory_bytes, _bytes)
        parts.append(f"memory {_bytes(usage.peak_memory_bytes)}{asked}")
    return ", ".join(parts)


def resources(seen: Resources) -> str:
    """`GPU Utilization: 83% (peak 97%) | GPU Memory: 20.1/79.6 GB (peak 30.2 GB)`, as far as it is known."""
    parts = []
    if seen.gpu_utilization_mean is not None:
        parts.append(
            f"GPU Utilization: {seen.gpu_utilization_mean:.0f}% (peak {seen.gpu_utilization_peak:.0f}%)"
        )
    if seen.gpu_memory_mean_gib is not None:
        of = f"/{seen.gpu_memory_gib:.1f}" if seen.gpu_memory_gib else ""
        parts.append(
            f"GPU Memory: {seen.gpu_memory_mean_gib:.1f}{of} GB (peak {seen.gpu_memory_peak_gib:.1f} GB)"
        )
    return " | ".join(parts)


def _of(used: float, given: float | None, words: Callable[[float], str]) -> str:
    return f" of {words(given)} ({used / given:.0%})" if given else ""


def _bytes(count: float) -> str:
    """In Slurm's own multiples."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table aligned in the cells of a terminal; the first row is its header. It is Markdown where its cells are."""
    rows = [[on_one_line(cell) for cell in row] for row in rows]
    widths = [max(cells.width(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        yield "| " + " | ".join(map(cells.left, row, widths)) + " |"
        if number == 0:
            yield "|" + "|".join("-" * (width + 2) for width in widths) + "|"
