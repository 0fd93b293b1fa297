"""The scores of samples, in both forms of a log; and files that hold none."""

import json
import zipfile
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import zipfile_zstd  # noqa: F401 - teaches zipfile method 93

from fakes.evidence import Rounds, answered
from runexpd.hosts.base import ReadPart
from runexpd.tools import eval_samples, paired
from runexpd.tools.base import Samples
from runexpd.tools.eval_samples import NoSamples

ZSTD = 93


def sample(id: int | str, value: Any, *, input: Any = "Capitalize: ab", epoch: int = 1) -> dict[str, Any]:
    scores = {"match": {"value": value, "answer": "Ab"}}
    return {
        "id": id,
        "epoch": epoch,
        "input": input,
        "target": "Ab",
        "scores": scores,
        "uuid": f"{id}{value}",
    }


def log(path: Path, samples: Sequence[dict[str, Any]], *, after: int = 0) -> str:
    with zipfile.ZipFile(path, "w", ZSTD) as archive:
        archive.writestr("samples/1_epoch_1.json", "{}")
        archive.writestr("summaries.json", json.dumps(samples))
        archive.writestr("reductions.json", bytes(after), zipfile.ZIP_STORED)
        archive.writestr("header.json", json.dumps({"status": "success"}))
    return str(path)


def read(path: str, rounds: Rounds | None = None) -> Samples:
    return answered(eval_samples.question(path), rounds)


def numbers(samples: Samples, scorer: str = "match") -> list[float]:
    return sorted(array("d", samples.values[scorer]))


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *(
            ("C", 1.0),
            ("I", 0.0),
            ("P", 0.5),
            ("N", 0.0),
            (True, 1.0),
            (3, 3.0),
            ("0.25", 0.25),
            ("Yes", 1.0),
        ),
        *(("odd", 0.0), ("inf", 0.0)),
    ],
)
def test_values_count_as_inspect_s_own_means_have_them(tmp_path: Path, value: Any, number: float) -> None:
    assert numbers(read(log(tmp_path / "a.eval", [sample(1, value)]))) == [number]


def test_a_scorer_of_several_values_is_read_by_their_names(tmp_path: Path) -> None:
    found = read(log(tmp_path / "a.eval", [sample(1, {"risk": 0.5, "hit": "C"})]))
    assert (numbers(found, "risk"), numbers(found, "hit")) == ([0.5], [1.0])


def test_what_is_not_scored_is_left_out(tmp_path: Path) -> None:
    unscored = {**sample(2, "C"), "scores": None}
    not_a_number = sample(3, float("nan"))
    found = read(log(tmp_path / "a.eval", [sample(1, "C"), unscored, not_a_number, sample(4, None)]))
    assert list(paired.scored(found, "match").values()) == [1.0]


def test_epochs_of_a_sample_are_one_sample(tmp_path: Path) -> None:
    found = read(log(tmp_path / "a.eval", [sample(1, "C"), sample(1, "I", epoch=2), sample(2, "I")]))
    assert numbers(found) == [0.0, 0.5]


def test_a_sample_is_the_same_by_id_and_input(tmp_path: Path) -> None:
    one = read(log(tmp_path / "a.eval", [sample(1, "C"), sample(2, "C")]))
    other = read(log(tmp_path / "b.eval", [sample(2, "I"), sample(1, "C", input="Capitalize: zz")]))
    differences = paired.differences(paired.scored(one, "match"), paired.scored(other, "match"))
    assert differences == [1.0]


def test_a_log_is_read_in_one_look_and_a_long_one_in_two(tmp_path: Path) -> None:
    samples = [sample(number, "CI"[number % 2]) for number in range(100)]
    short: Rounds = []
    read(log(tmp_path / "a.eval", samples), short)
    long: Rounds = []
    found = read(log(tmp_path / "b.eval", samples, after=400_000), long)
    assert (len(short), len(long)) == (1, 2)
    assert len(numbers(found)) == 100
    assert all(isinstance(ask, ReadPart) and ask.size <= eval_samples.MOST_BYTES for (ask,) in long)


def test_a_json_log_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    whole = {"status": "success", "samples": [sample(1, "C"), sample("b", "I")], "version": 2}
    path.write_text(json.dumps(whole))
    of_json = read(str(path))
    of_eval = read(log(tmp_path / "a.eval", [sample("b", "I"), sample(1, "C")]))
    assert of_json == of_eval


def test_where_there_are_none_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty.eval"
    empty.write_bytes(b"not a zip")
    odd = log(tmp_path / "odd.eval", [{"no": "id"}])
    large = tmp_path / "large.json"
    large.write_text(json.dumps({"samples": []}) + " " * 100)
    for path in (str(empty), odd, str(tmp_path / "gone.eval")):
        with pytest.raises(NoSamples):
            read(path)
    monkeypatch.setattr(eval_samples, "MOST_BYTES", 100)
    for path in (str(large), log(tmp_path / "b.eval", [sample(1, "C")], after=100_000)):
        with pytest.raises(NoSamples, match="than 0 MiB"):
            read(path)
