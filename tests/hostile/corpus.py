"""The corpus on disk: an experiment a case, spoilt; and experiments whose jobs leave what a case says."""

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hostile import results, scaffolds, summaries
from hostile.spoiling import Spoil

#: It fails at once: what is spoilt is met before, and what is written about it after.
SCRIPT = "#!/bin/bash\n#SBATCH --time=10\necho it runs\nexit 1\n"
CONFIG = "epochs: 1\ncheckpointer:\n  output_dir: artifacts\nmetric_logger:\n  log_dir: artifacts/logs\nbatch_size: 4\n"
#: Copies what was prepared for it, says what there is to say, and ends badly where the number is odd.
LEAVES = """#!/bin/bash
#SBATCH --output=slurm-%j.out
cp -R {prepared}/. .
if [ -f said ]; then cat said; exit {code}; fi
"""


@dataclass(frozen=True)
class Case:
    name: str
    #: Of the experiment.
    dir: Path


def spoilt(root: Path, every: int = 1, without: str | None = None) -> list[Case]:
    """Hostile summaries and scaffolds: all, or one of so many; `without` those in whose names this is."""
    cases = _some((*summaries.cases(), *scaffolds.cases()), every, without)
    return [_spoilt(root, name, spoil) for name, spoil in cases]


def _some(cases: Iterable[tuple[str, Spoil]], every: int, without: str | None) -> list[tuple[str, Spoil]]:
    return [case for case in list(cases)[::every] if without is None or without not in case[0]]


def _spoilt(root: Path, name: str, spoil: Spoil) -> Case:
    dir = root / re.sub(r"\W+", "-", name)
    (dir / "r" / "eval" / "words_epoch0").mkdir(parents=True)
    (dir / "base-model").mkdir()
    (dir / summaries.FILE).write_text(summaries.GOOD.replace("NAME", "words"))
    (dir / scaffolds.TRAIN).write_text(SCRIPT)
    (dir / scaffolds.CELL).write_text(SCRIPT)
    (dir / scaffolds.CONFIG).write_text(CONFIG)
    spoil(dir)
    return Case(name, dir)


def trainings(
    dir: Path, every: int = 1, in_place: bool = False, without: str | None = None
) -> dict[str, str]:
    """One experiment, a run for each thing that a training may leave; the name of the case by job.

    `in_place`: it lies there already. Else a script leaves it.
    """
    return {
        f"r{number}": _left(dir, case, spoil, f"r{number}/finetune.slurm", number % 2, in_place)
        for number, (case, spoil) in enumerate(
            _written(dir, "trains", _some(results.trainings(), every, without))
        )
    }


def evaluations(
    dir: Path, every: int = 1, in_place: bool = False, without: str | None = None
) -> dict[str, str]:
    return {
        f"r{number}/words": _left(dir, case, spoil, f"r{number}/eval/words/cell.slurm", number % 2, in_place)
        for number, (case, spoil) in enumerate(
            _written(dir, "evaluates", _some(results.evaluations(), every, without))
        )
    }


def _written(dir: Path, name: str, some: list[tuple[str, Spoil]]) -> list[tuple[str, Spoil]]:
    """They, with a summary of as many runs."""
    dir.mkdir(parents=True)
    (dir / summaries.FILE).write_text("\n".join(_summary(name, len(some), name == "trains")))
    return some


def _left(dir: Path, case: str, spoil: Spoil, path: str, code: int, in_place: bool) -> str:
    script = dir / path
    script.parent.mkdir(parents=True)
    prepared = script.parent if in_place else dir.parent / f"{dir.name}-prepared" / path.partition("/")[0]
    prepared.mkdir(parents=True, exist_ok=True)
    spoil(prepared)
    script.write_text(LEAVES.format(prepared=shlex.quote(str(prepared)), code=code))
    if script.name == "finetune.slurm":
        (script.parent / "finetune.yaml").write_text(CONFIG)
    return case


def _summary(name: str, count: int, trained: bool) -> Iterator[str]:
    yield f"experiment: {{name: {name}}}"
    yield "runs:"
    yield from (f"  - {{name: r{n}, type: {'fine-tuned' if trained else 'control'}}}" for n in range(count))
    yield "evaluation:"
    yield "  matrix:" if not trained else "  matrix: []"
    yield from (f"    - {{run: r{n}, tasks: [words], epochs: null}}" for n in range(count) if not trained)


def snapshot(root: Path) -> dict[str, tuple[int, int, int]]:
    """Mode, size and time of all that is below a directory, links not followed."""
    found = {}
    for place, directories, files in os.walk(root):
        for name in (*directories, *files):
            path = os.path.join(place, name)
            fact = os.lstat(path)
            found[path] = (fact.st_mode, fact.st_size, fact.st_mtime_ns)
    return found
