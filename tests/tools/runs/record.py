"""Make the recordings beside this file anew: an experiment of all cases, run by runexp, and what is worth keeping of each.

PYTHONPATH=tests python tests/tools/runs/record.py build WORK VENV [CASE...]
runexp run WORK
runexp status --json WORK | PYTHONPATH=tests python tests/tools/runs/record.py keep WORK VENV [CASE...]
"""

import json
import sys
from pathlib import Path

import msgspec

from tools.failures import record
from tools.runs import recording
from tools.runs.cases import CASES

DIRECTIVES = "#!/bin/bash\n#SBATCH --time=10\n#SBATCH --output=artifacts/slurm-%j.out\n"


def build(work: Path, venv: Path, names: list[str]) -> None:
    work.mkdir(exist_ok=True)
    record.prepare(work, venv)
    for case in CASES:
        if case.name in names:
            record.scaffold(work / case.name, case, venv)
            script = work / case.name / "finetune.slurm"
            script.write_text(script.read_text().replace("#!/bin/bash\n", DIRECTIVES))
    runs = [{"name": name, "type": "fine-tuned"} for name in names]
    tools = {"preparation": "torchtune", "evaluation": "inspect-ai"}
    summary = {"experiment": {"name": "kinds"}, "tools": tools, "runs": runs, "evaluation": {"matrix": []}}
    (work / "experiment_summary.yaml").write_text(json.dumps(summary, indent=2))


def keep(work: Path, venv: Path, names: list[str]) -> None:
    for job in json.load(sys.stdin)["jobs"]:
        if job["id"] in names:
            run = recording.keep(work, job, lambda text: record.plain(text, work, venv))
            path = recording.HERE / f"{job['id']}.json"
            path.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1))
            print(job["id"], job["state"], job["detail"], path.stat().st_size)


def main() -> None:
    what, work, venv, *wanted = sys.argv[1:]
    names = [case.name for case in CASES if not wanted or case.name in wanted]
    {"build": build, "keep": keep}[what](Path(work).resolve(), Path(venv), names)


if __name__ == "__main__":
    main()
