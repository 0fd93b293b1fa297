"""Whatever a host answers, each question comes to its end in a few rounds, with something that can be stored and shown."""

import io
import json
import math
import zipfile
from typing import TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runexp.wire.jobs import Finding, JobSpec, Progress, Verdict
from runexp.wire.states import Phase
from runexpd.hosts.base import (
    Answer,
    Ask,
    FileFact,
    Found,
    Kind,
    ListDir,
    Listing,
    Locate,
    Missing,
    Part,
    ReadPart,
    StatPath,
    Tree,
    Withheld,
)
from runexpd.tools.base import Attempt, Question
from runexpd.tools.curves import Mark, Read
from runexpd.tools.inspect_ai import TOOL as INSPECT
from runexpd.tools.torchtune import TOOL as TORCHTUNE

#: A hundred tries of each question.
pytestmark = pytest.mark.long

T = TypeVar("T")
MOST_ROUNDS = 4
NOW = 1_795_488_572

#: What lies in a directory, by the end of its path; and anything else.
USUAL = {
    "artifacts": ["epoch_0", "epoch_1", "slurm-7.out"],
    "epoch_0": ["model.safetensors.index.json", "x.safetensors"],
    "epoch_1": ["adapter_config.json", "adapter_model.safetensors", "model.safetensors", "pytorch_model.bin"],
    "logs": [f"log_{NOW}.txt", "log_9.txt", "2026-11-23T10-00-00_words_x.eval", "z\udcff.eval"],
    "lib": ["python3.11"],
}
#: Bytes that are no UTF-8 come as lone surrogates.
odd_names = st.binary(min_size=1, max_size=12).map(
    lambda raw: raw.translate(None, b"/\0").decode("utf-8", "surrogateescape") or "x"
)


def usually(often: st.SearchStrategy[T], seldom: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    return st.integers(0, 9).flatmap(lambda roll: seldom if roll == 9 else often)


odd_numbers = st.sampled_from(
    [10, 10, -5, 0, 1, 10, 10**23, 10**400, math.nan, math.inf, -0.0, 1.5, None, "x", True]
)
odd_texts = st.sampled_from(
    [
        "success",
        "error",
        "cancelled",
        "success",
        "\ud800",
        "a\nb",
        "\x1b[2J\u202e",
        "x" * 5000,
        "/",
        "/gone",
        "name",
    ]
)
documents = st.recursive(
    odd_numbers | odd_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_texts, inner, max_size=3),
    max_leaves=6,
)
counts = usually(st.just(10), odd_numbers)
metrics = st.dictionaries(
    odd_texts, st.fixed_dictionaries({"value": usually(st.just(0.5), odd_numbers)}), max_size=3
)
headers = st.fixed_dictionaries(
    {
        "status": usually(st.just("success"), odd_texts),
        "results": st.fixed_dictionaries(
            {
                "total_samples": counts,
                "completed_samples": counts,
                "scores": st.lists(
                    st.fixed_dictionaries({"name": odd_texts, "metrics": metrics}), max_size=3
                ),
            }
        ),
    },
    optional={
        "eval": st.fixed_dictionaries(
            {"task": st.just("words"), "model_args": st.just({"model_path": "/epoch_1"})},
            optional={"created": odd_texts},
        ),
        "error": st.none() | st.fixed_dictionaries({"message": odd_texts}),
    },
)


def zipped(document: object) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps(document))
    return file.getvalue()


def tensors(spans: object) -> bytes:
    header = json.dumps({"w": {"data_offsets": spans}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(64)


odd_contents = st.binary(max_size=200) | documents.map(lambda document: json.dumps(document).encode())
#: Of files, by the ending of their names.
CONTENTS: dict[str, st.SearchStrategy[bytes]] = {
    ".eval": headers.map(zipped),
    ".safetensors": usually(st.just([0, 64]), st.sampled_from([[0, 10**30], [-1, 64], [64, 0], "x"])).map(tensors),
    ".index.json": usually(st.just("x.safetensors"), st.sampled_from(["", "../y", "\ud800"])).map(
        lambda shard: json.dumps({"weight_map": {"w": shard}}).encode()
    ),
    "_config.json": odd_texts.map(lambda base: json.dumps({"base_model_name_or_path": base}).encode()),
    ".yaml": st.sampled_from([b"epochs: 2\n", b"epochs: 2\nlog_every_n_steps: 9\n", b"epochs: [", b"epochs: 20000"]),
    ".txt": st.sampled_from([b"", b"Step 7 | loss:1.0\n", b"Step 99999999999 | loss:1.0\n", b"\xff\n"]),
    ".out": st.sampled_from(
        [
            b"",
            b"2|8|Loss: 1.2.3: 100%|#| 4/4 [",
            b"Traceback (most recent call last):\n\x1b[1mKeyError: '\xff\xe2\x80\xae\x07'\n",
            b"Samples: 999999999999999/ 999999999999999",
        ]
    ),
}  # fmt: skip


def fact(path: str, size_bytes: int | None = None) -> st.SearchStrategy[FileFact]:
    directory = path.rpartition("/")[2] in USUAL
    return st.builds(
        FileFact,
        st.just(path),
        st.just(size_bytes) if size_bytes is not None else st.integers(0, 400),
        usually(st.just(float(NOW)), st.sampled_from([0.0, NOW + 50.0, 1e300])),
        usually(st.just(Kind.DIRECTORY if directory else Kind.FILE), st.sampled_from(Kind)),
    )


def listing(path: str) -> st.SearchStrategy[Answer]:
    usual = USUAL.get(path.rpartition("/")[2], [])
    some = st.lists(st.sampled_from(usual), unique=True) if usual else st.just([])
    names = st.tuples(usually(st.just(usual), some), usually(st.just([]), st.lists(odd_names, max_size=2)))
    return names.flatmap(
        lambda both: st.tuples(*(fact(f"{path}/{name}") for name in sorted({*both[0], *both[1]}))).map(
            Listing
        )
    )


def part(path: str) -> st.SearchStrategy[Answer]:
    fitting = next((contents for ending, contents in CONTENTS.items() if path.endswith(ending)), odd_contents)
    return usually(fitting, odd_contents).flatmap(
        lambda data: usually(fact(path, len(data)), fact(path)).map(lambda found: Part(found, data))
    )


refused: st.SearchStrategy[Answer] = st.sampled_from([Missing(), Withheld("Permission denied")])


def answers(ask: Ask) -> st.SearchStrategy[Answer]:
    match ask:
        case ListDir(path):
            return usually(listing(path), st.just(Withheld("Permission denied")))
        case StatPath(path):
            return usually(fact(path).map(Found), refused)
        case ReadPart(path):
            return usually(part(path), refused)
        case Tree() | Locate():
            raise NotImplementedError("no tool asks for that")


attempts = st.none() | st.builds(
    Attempt,
    slurm_job_id=st.just("7"),
    state=st.sampled_from(["COMPLETED", "COMPLETED", "FAILED", "TIMEOUT", "NODE_FAIL"]),
    exit_code=st.sampled_from(["0:0", "1:0", "0:53"]),
    started_at=st.sampled_from([None, float(NOW)]),
    ended_at=st.sampled_from([None, NOW - 5.0, NOW + 60.0]),
    output=st.just("/exp/r/artifacts/slurm-7.out"),
)


def job(tool: str, **facts: str | int | None) -> JobSpec:
    return JobSpec(
        id="r",
        phase=Phase.OPTIMIZATION,
        tool=tool,
        run="r",
        task="words",
        epoch=1,
        script="/exp/r/x.slurm",
        workdir="/exp/r",
        name="r",
        output="/exp/r/artifacts/slurm-%j.out",
        facts={**facts},
    )


TRAINING = job(
    "torchtune",
    config="/exp/r/f.yaml",
    output_dir="/exp/r/artifacts",
    log_dir="/exp/r/logs",
    epochs=2,
    environments="/e",
)
OWN = job("inspect-ai", log_dir="/exp/r/eval/logs", shared_log_dir=0)
SHARED = job("inspect-ai", log_dir="/exp/r/eval/logs", shared_log_dir=1)


def drawn(data: st.DataObject, question: Question[object]) -> object:
    rounds = 0
    try:
        asks = next(question)
        while True:
            rounds += 1
            assert rounds <= MOST_ROUNDS
            assert asks
            asks = question.send([data.draw(answers(ask)) for ask in asks])
    except StopIteration as end:
        result: object = end.value
        return result


def check(verdict: object) -> None:
    assert isinstance(verdict, Verdict)
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict
    failure = [verdict.failure.message] if verdict.failure else []
    for line in (verdict.detail, *failure, *verdict.warnings):
        assert line.isprintable()
        assert 0 < len(line) <= 400
    assert all(path.isprintable() for path in verdict.artifacts)
    assert (verdict.failure is None) == (
        verdict.finding is Finding.GOOD
    ) or verdict.finding is Finding.UNCLEAR
    assert all(math.isfinite(score.value) for score in verdict.scores)


usual = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


@usual
@given(st.data(), attempts)
def test_of_a_training(data: st.DataObject, attempt: Attempt | None) -> None:
    check(drawn(data, TORCHTUNE.verify(TRAINING, attempt)))


@usual
@given(st.data(), attempts, st.sampled_from([OWN, SHARED]))
def test_of_an_evaluation(data: st.DataObject, attempt: Attempt | None, job: JobSpec) -> None:
    check(drawn(data, INSPECT.verify(job, attempt)))


@usual
@given(st.data(), attempts.filter(bool))
def test_of_progress(data: st.DataObject, attempt: Attempt) -> None:
    for question in (TORCHTUNE.progress(TRAINING, attempt), INSPECT.progress(OWN, attempt)):
        seen = drawn(data, question)
        assert msgspec.json.decode(msgspec.json.encode(seen), type=Progress | None) == seen


@usual
@given(st.data(), attempts.filter(bool))
def test_of_curves(data: st.DataObject, attempt: Attempt) -> None:
    """And again from where that stopped."""
    marks: dict[str, Mark] = {}
    for _ in range(2):
        for question in (TORCHTUNE.curves(TRAINING, attempt, marks), INSPECT.curves(OWN, attempt, marks)):
            reads = drawn(data, question)
            again = msgspec.msgpack.decode(msgspec.msgpack.encode(reads), type=tuple[Read, ...])
            marks |= {read.mark.path: read.mark for read in again}
            assert all(mark.offset >= 0 for mark in marks.values())
            assert all(point.name.isprintable() for read in again for point in read.points)
