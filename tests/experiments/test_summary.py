"""experiment_summary.yaml: what is understood, and one line for each thing that is wrong with it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runexp.wire.jobs import RunSpec
from runexpd.experiments import limits, summary
from runexpd.experiments.problems import BadExperiment
from runexpd.experiments.scaffold import Cells

GOOD = """
experiment: {name: words, dir: ., hypothesis: kept and ignored}
tools: {preparation: torchtune, evaluation: inspect-ai}
output: {base_directory: out}
runs:
  - {name: base, type: control, model: tiny, parameters: {}}
  - {name: rank=4, type: fine-tuned, parameters: {lora_rank: 4}}
evaluation:
  matrix:
    - {run: base, tasks: [capital], epochs: null}
    - {run: rank=4, tasks: [capital, small], epochs: [0, 2]}
"""


def read(text: str) -> summary.Summary:
    return summary.read(text, "s.yaml", "/exp")


def test_a_summary_is_understood() -> None:
    found = read(GOOD)
    assert found.name == "words"
    assert found.runs == (
        RunSpec("base", "control", "tiny"),
        RunSpec("rank=4", "fine-tuned", parameters={"lora_rank": 4}),
    )
    assert found.matrix == (
        Cells(run="base", tasks=("capital",)),
        Cells(run="rank=4", tasks=("capital", "small"), epochs=(0, 2)),
    )
    assert (found.preparation, found.evaluation, found.output_base) == ("torchtune", "inspect-ai", "/exp/out")
    assert found.warnings == ()


def test_without_tools_the_usual_ones_are_assumed_with_a_warning() -> None:
    found = read("experiment: {name: w}\nruns: [{name: a, type: control}]\n")
    assert (found.preparation, found.evaluation) == (None, None)
    assert found.warnings[0].startswith("no tools section: torchtune and inspect-ai")


def test_a_directory_that_is_elsewhere_is_a_warning() -> None:
    (warning,) = read(GOOD.replace("dir: .", "directory: /old/place")).warnings
    assert "/old/place" in warning


@pytest.mark.parametrize(
    ("change", "what", "where"),
    [
        (("runs:", "runs: ["), "not YAML", "s.yaml:6"),
        (("name: words", "name: [words]"), "expected a text, found a list", "s.yaml:2:20: experiment.name"),
        (("{name: words, dir: .,", "{dir: .,"), "name is missing", "s.yaml:2:13: experiment"),
        (("name: base", "name: 1.5"), "expected a text, found a number", "s.yaml:6:12: runs[0].name"),
        (("name: base", "name: 42"), "expected a text, found a whole number", "s.yaml:6:12: runs[0].name"),
        (("name: base", "name: no"), "expected a text, found true or false", "runs[0].name"),
        (("type: control", "type: controll"), "unknown type 'controll'", "s.yaml:6: runs[0].type"),
        (("name: base", 'name: "../x"'), "'../x' is no name for a run", "s.yaml:6: runs[0].name"),
        (("name: base", 'name: "/etc"'), "'/etc' is no name for a run", "runs[0].name"),
        (("name: base", 'name: "a\\nb"'), r"'a\nb' is no name for a run", "runs[0].name"),
        (("name: base", 'name: "a;rm -r b"'), "is no name for a run", "runs[0].name"),
        (("name: base", 'name: "$(id)"'), "is no name for a run", "runs[0].name"),
        (("name: base", 'name: ".."'), "is no name for a run", "runs[0].name"),
        (("name: base", 'name: "-rf"'), "is no name for a run", "runs[0].name"),
        (("[capital]", "[a/b]"), "'a/b' is no name for a task", "evaluation.matrix[0].tasks[0]"),
        (("name: rank=4", "name: base"), "two runs are called base", "s.yaml:7: runs[1].name"),
        (("run: base", "run: bass"), "no run is called 'bass'", "s.yaml:10: evaluation.matrix[0].run"),
        (("[0, 2]", "[0, -2]"), "epochs are counted from 0", "s.yaml:11"),
        (("[0, 2]", "[0, 0]"), "to be evaluated twice on capital", "evaluation.matrix[1]"),
        (("[0, 2]", "null"), "rank=4 is fine-tuned, and no epochs are named", "evaluation.matrix[1]"),
        (("[0, 2]", "2"), "expected a list or nothing, found a whole number", "evaluation.matrix[1].epochs"),
        (("[0, 2]", "[]"), "no epochs are named", "s.yaml:11: evaluation.matrix[1].epochs"),
        (("epochs: null", "epochs: []"), "no epochs are named", "s.yaml:10: evaluation.matrix[0].epochs"),
        (("[0, 2]", "[1000000]"), "1000000 is no epoch", "evaluation.matrix[1].epochs"),
        (
            ("[0, 2]", str(list(range(10_001)))),
            "10001 epochs: more than 10000",
            "evaluation.matrix[1].epochs",
        ),
        (("base_directory: out", 'base_directory: "a\\0"'), "no path", "s.yaml:4: output.base_directory"),
        (("[0, 2]", "[1.5]"), "expected a whole number", "evaluation.matrix[1].epochs[0]"),
        (
            ("tools: {preparation", "tools: {preparation: a, preparation"),
            "preparation is there twice",
            "s.yaml:3",
        ),
        (("name: words", 'name: "a\\tb"'), "is no name for an experiment", "experiment.name"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(change: tuple[str, str], what: str, where: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(BadExperiment) as raised:
        read(GOOD.replace(*change))
    assert what in raised.value.what
    assert where in raised.value.where
    assert "\n" not in raised.value.what + raised.value.where + raised.value.hint


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "[]", "just words", "{}", "runs: []\nexperiment: {name: a}"]
)
def test_what_is_no_summary_is_said(text: str) -> None:
    with pytest.raises(BadExperiment):
        read(text)


def test_more_runs_than_an_experiment_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RUNS", 20)
    rows = "".join(f"- {{name: r{n}, type: control}}\n" for n in range(21))
    with pytest.raises(BadExperiment, match="21 runs: more than 20"):
        read(f"experiment: {{name: a}}\nruns:\n{rows}")


def test_more_evaluations_than_an_experiment_has_are_refused() -> None:
    entry = f"- {{run: a, tasks: {[f't{n}' for n in range(300)]}, epochs: {list(range(700))}}}"
    with pytest.raises(BadExperiment, match="more than 200000 evaluations") as raised:
        read(
            f"experiment: {{name: a}}\nruns: [{{name: a, type: fine-tuned}}]\nevaluation:\n  matrix:\n  {entry}"
        )
    assert raised.value.where == "s.yaml:5: evaluation.matrix[0]"


def test_of_many_runs_some_are_named() -> None:
    rows = "".join(f"- {{name: r{n}, type: control}}\n" for n in range(1000))
    with pytest.raises(BadExperiment) as raised:
        read(f"experiment: {{name: a}}\nruns:\n{rows}evaluation: {{matrix: [{{run: b, tasks: [t]}}]}}")
    assert raised.value.hint == "runs: r0, r1, r2, r3, r4, r5, r6, r7, r8, r9 and 990 more"


def test_an_entry_without_tasks_is_a_warning() -> None:
    (warning,) = read(GOOD.replace("[capital]", "[]")).warnings
    assert warning == "evaluation.matrix names no tasks for base: nothing is evaluated there"


def test_what_is_only_shown_is_made_printable() -> None:
    found = read(
        GOOD.replace("model: tiny", 'model: "a\\e[31m\\nb"').replace("dir: .", 'dir: "/x\\nSUBMIT: y"')
    )
    assert found.runs[0].model == "a b"
    assert found.warnings == ("the summary says the experiment is in /x SUBMIT: y; it was found in /exp",)


def test_a_small_document_that_grows_large_is_refused() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
    with pytest.raises(BadExperiment, match="too large"):
        read(bomb)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "experiment",
                    "name",
                    "runs",
                    "type",
                    "tools",
                    "evaluation",
                    "matrix",
                    "run",
                    "tasks",
                    "epochs",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(document=documents)
def test_any_document_is_understood_or_refused(document: object) -> None:
    import yaml

    with contextlib.suppress(BadExperiment):
        read(yaml.safe_dump(document))


@given(text=st.text(alphabet="{}[]:,-&*!|>'\"#%@ \n\tab01", max_size=60))
def test_any_text_is_understood_or_refused(text: str) -> None:
    with contextlib.suppress(BadExperiment):
        read(text)


def test_the_question_and_what_varies_are_kept_as_they_can_be_shown() -> None:
    text = (
        'experiment: {name: w, question: "does\\x1b[31m rank\\nmatter?"}\n'
        "runs:\n"
        "  - {name: a, type: control, parameters: {lora: {rank: 4, targets: [q, v]}, lr: 3e-4, at: 2026-01-01}}\n"
        "  - {name: b, type: control, parameters: [odd]}\n"
        "  - {name: c, type: control, parameters: {lr: .nan, big: {}}}\n"
    )
    found = read(text)
    assert found.question == "does rank matter?"
    assert found.runs[0].parameters == {
        "lora.rank": 4,
        "lora.targets": "q, v",
        "lr": "3e-4",
        "at": "2026-01-01",
    }
    assert found.runs[1].parameters == {}
    assert found.runs[2].parameters == {"lr": "nan", "big": "{}"}
    assert read("experiment: {name: w, question: [1]}\nruns: [{name: a, type: control}]").question == ""
