"""An evaluation's directory, and logs as inspect-ai writes them."""

import json
import os
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zipfile_zstd  # noqa: F401 - teaches zipfile method 93

from fakes.evidence import Rounds, answered
from runexp.wire.jobs import JobSpec, Verdict
from runexp.wire.states import Phase
from runexpd.tools.base import Attempt
from runexpd.tools.inspect_ai import TOOL

ZSTD = 93


def header(status: str = "success", completed: int = 10, scored: bool = True, **more: Any) -> dict[str, Any]:
    metrics = {"accuracy": {"name": "accuracy", "value": 0.8}, "stderr": {"name": "stderr", "value": 0.1}}
    scores = [{"name": "match", "scorer": "match", "metrics": metrics}] if scored else []
    results = {"total_samples": 10, "completed_samples": completed, "scores": scores}
    return {
        "version": 2,
        "status": status,
        "eval": {"task": "words", "model": "hf/x"},
        "results": results,
        **more,
    }


class Cell:
    def __init__(self, dir: Path, **facts: Any) -> None:
        self.logs = dir / "logs"
        self.logs.mkdir()
        self.output = dir / "slurm-7.out"
        self.output.write_text("")
        self.job = JobSpec(
            id="rank8/words/epoch1",
            phase=Phase.EVALUATION,
            tool="inspect-ai",
            run="rank8",
            task="words",
            epoch=1,
            script=f"{dir}/cell.slurm",
            workdir=str(dir),
            name="x",
            output=str(self.output),
            facts={"log_dir": str(self.logs), "model": None, "shared_log_dir": 0, **facts},
        )

    def log(
        self,
        header: dict[str, Any] | str | None,
        at: str = "2026-11-23T10-00-00",
        padding: int = 0,
        method: int = ZSTD,
        name: str | None = None,
    ) -> Path:
        path = self.logs / (name or f"{at}-00-00_words_{abs(hash(at))}.eval")
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("_journal/start.json", "{}")
            archive.writestr("samples/1.json", os.urandom(padding))
            if header is not None:
                archive.writestr("header.json", header if isinstance(header, str) else json.dumps(header))
        return path

    def verdict(
        self,
        state: str | None = "COMPLETED",
        exit_code: str = "0:0",
        rounds: Rounds | None = None,
        withheld: Sequence[Path] = (),
        resumed_from: str = "",
    ) -> Verdict:
        attempt = state and Attempt(
            slurm_job_id="7",
            state=state,
            exit_code=exit_code,
            started_at=time.time() - 1,
            output=str(self.output),
            resumed_from=resumed_from,
        )
        question = TOOL.verify(self.job, attempt or None)
        return answered(question, rounds, [str(path) for path in withheld])
