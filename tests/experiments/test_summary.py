"""experiment_summary.yaml: what is understood, and one line for each thing that is wrong with it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runexp.wire.jobs import RunSpec
from runexpd.experiments import summary
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
    assert found.runs == (RunSpec("base", "control", "tiny"), RunSpec("rank=4", "fine-tuned"))
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
