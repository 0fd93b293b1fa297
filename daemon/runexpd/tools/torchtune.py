"""The torchtune module: fine-tuned runs, their checkpoints, how far a training is, why it failed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from posixpath import join

from msgspec.structs import replace

from runexp.wire.jobs import JobSpec, Progress, Verdict
from runexp.wire.states import Phase
from runexpd.experiments.problems import BadExperiment
from runexpd.experiments.scaffold import Discovery, Scaffold
from runexpd.hosts.base import ListDir
from runexpd.tools import (
    facts,
    output,
    printed,
    questions,
    scripts,
    torchtune_config,
    torchtune_curves,
    torchtune_ingredients,
    torchtune_looks,
    torchtune_steps,
)
from runexpd.tools.base import Attempt, Ingredients, Question
from runexpd.tools.curves import Mark, Read
from runexpd.tools.torchtune_config import Training

SCRIPT = "finetune.slurm"


class Torchtune:
    """A runexpd.tools.base.Tool."""

    name = "torchtune"
    phase = Phase.OPTIMIZATION
    log_name = "torchtune"

    def discover(self, scaffold: Scaffold) -> Discovery:
        jobs, missing = [], []
        environments = _environments(scaffold)
        for run in scaffold.runs:
            path = f"{scaffold.dir}/{run.name}/{SCRIPT}"
            if run.type == "fine-tuned":
                if path in scaffold.texts:
                    jobs.append(_job(scaffold, run.name, path, environments[run.name]))
                else:
                    missing.append(f"{run.name}/{SCRIPT}")
        _check_apart(jobs)
        trained = {job.script for job in jobs}
        strays = [path for path in scaffold.texts if path.endswith(f"/{SCRIPT}") and path not in trained]
        warnings = [
            f"{questions.path(path)} belongs to no fine-tuned run, and is left alone"
            for path in sorted(strays)
        ]
        warnings += torchtune_ingredients.disagreements(scaffold, jobs)
        return Discovery(jobs=tuple(jobs), missing=tuple(missing), warnings=tuple(warnings))

    def verify(self, job: JobSpec, attempt: Attempt | None) -> Question[Verdict]:
        return torchtune_looks.verify(job, attempt)

    def ingredients(self, job: JobSpec) -> Question[Ingredients]:
        return torchtune_ingredients.of(job)

    def results(self, job: JobSpec) -> Question[str]:
        return torchtune_ingredients.results(job)

    def progress(self, job: JobSpec, attempt: Attempt) -> Question[Progress | None]:
        log_dir = facts.text(job, "log_dir")
        shared = [torchtune_steps.console(log_dir), *printed.elsewhere(job, attempt)]
        places = (attempt.output, *shared)
        logs, own, *copies = yield (
            ListDir(log_dir),
            *(output.tail(path, torchtune_steps.PROGRESS_BYTES) for path in places),
        )
        for answer in (own, *(torchtune_steps.own(copy, attempt) for copy in copies)):
            if seen := torchtune_steps.progress(questions.text(answer), facts.number(job, "epochs")):
                return seen
        log = torchtune_steps.newest_log(logs, torchtune_steps.starts(attempt))
        ends = yield from questions.ask(torchtune_steps.ends(log, []))
        steps = torchtune_steps.in_log(ends[0]) if ends else None
        return Progress(epochs=facts.number(job, "epochs"), done=steps) if steps else None

    def curves(self, job: JobSpec, attempt: Attempt, marks: Mapping[str, Mark]) -> Question[tuple[Read, ...]]:
        return torchtune_curves.follow(job, attempt, marks)


TOOL = Torchtune()


def _job(scaffold: Scaffold, run: str, path: str, environments: Iterable[str]) -> JobSpec:
    text = scaffold.texts[path]
    job = scripts.spec(path, text, id=run, phase=Phase.OPTIMIZATION, tool=Torchtune.name, run=run)
    how = torchtune_config.invocation(text)
    runs_in = scripts.runs_in(job)
    places = [join(place, how.config) for place in (runs_in, job.workdir)]
    config = next((place for place in places if place in scaffold.texts), places[0])
    training = Training()
    if config in scaffold.texts:
        training = torchtune_config.read(scaffold.texts[config], config, runs_in, how.overrides)
    output_dir = training.output_dir or _usual_output_dir(scaffold, run)
    noted: dict[str, facts.Fact] = {
        "config": config,
        "overrides": "\n".join(how.overrides),
        "output_dir": output_dir,
        "log_dir": training.log_dir or f"{output_dir}/logs",
        "epochs": training.epochs,
        "log_every_n_steps": training.log_every_n_steps,
        "resumes": int(training.resumes),
        "adapters": "\n".join(training.adapters),
        "pace": training.pace,
        "environments": "\n".join(sorted(environments)),
        printed.FACT: "\n".join(printed.redirected(text, runs_in)),
        printed.APPENDED: "\n".join(printed.appended(text, runs_in)),
    }
    return replace(job, facts=facts.told(noted), results=output_dir)


def _check_apart(jobs: Iterable[JobSpec]) -> None:
    """A sweep whose copies kept a path would overwrite each other's checkpoints. Raises BadExperiment."""
    seen: dict[str, str] = {}
    for job in jobs:
        output_dir = facts.text(job, "output_dir")
        if (other := seen.setdefault(output_dir, job.id)) != job.id:
            what = f"{other} and {job.id} have the same output_dir: {questions.path(output_dir)}"
            raise BadExperiment(what, facts.text(job, "config"), "give each run a directory of its own")


def _usual_output_dir(scaffold: Scaffold, run: str) -> str:
    older = f"{scaffold.output_base}/ck-out-{run}" if scaffold.output_base else None
    return older if older and older in scaffold.entries else f"{scaffold.dir}/{run}/artifacts"


def _environments(scaffold: Scaffold) -> defaultdict[str, set[str]]:
    """Those that each run's evaluations activate."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path, text in scaffold.texts.items():
        run, below = path.removeprefix(f"{scaffold.dir}/").partition("/")[::2]
        if below.startswith("eval/"):
            found[run].update(scripts.environments(text, scripts.home_of(scaffold.dir)))
    return found
