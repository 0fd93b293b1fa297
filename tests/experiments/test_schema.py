"""The schema for editors: equal to the code, and of one mind with what reads summaries."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from fakes import experiments
from runexp.cli import main
from runexp.scaffolding import example
from runexp.scaffolding.own import SCHEMA
from runexpd.experiments import schema, summary
from runexpd.experiments.problems import BadExperiment

GOOD: dict[str, Any] = {
    "experiment": {"name": "e"},
    "runs": [{"name": "a", "type": "fine-tuned"}],
    "evaluation": {"matrix": [{"run": "a", "tasks": ["t"], "epochs": [0]}]},
}


def complaints(document: Any) -> list[str]:
    return [
        error.message for error in Draft202012Validator(json.loads(SCHEMA.read_text())).iter_errors(document)
    ]


def test_what_the_client_has_is_what_the_code_says() -> None:
    hint = f"python -m runexpd.experiments.schema >{SCHEMA}"
    assert SCHEMA.read_text() == schema.text(), hint
    Draft202012Validator.check_schema(schema.schema())


def test_summaries_that_are_taken_are_valid(tmp_path: Path) -> None:
    for dir in (example.TEMPLATE, experiments.build(tmp_path)):
        assert complaints(yaml.safe_load((dir / "experiment_summary.yaml").read_text())) == []
    assert complaints(GOOD | {"mine": 1}) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"experiment": {}},
        {"experiment": {"name": ""}},
        {"runs": []},
        {"runs": [{"name": "../a", "type": "control"}]},
        {"runs": [{"name": "a", "type": "tuned"}]},
        {"evaluation": {"matrix": [{"run": "a", "tasks": ["t"], "epochs": []}]}},
        {"evaluation": {"matrix": [{"run": "a", "tasks": ["t"], "epochs": [-1]}]}},
        {"evaluation": {"matrix": [{"run": "a", "tasks": "t", "epochs": [0]}]}},
    ],
)
def test_what_is_wrong_is_wrong_to_both(wrong: dict[str, Any]) -> None:
    assert complaints(GOOD | wrong)
    with pytest.raises(BadExperiment):
        summary.read(json.dumps(GOOD | wrong), "summary", "/e")


def test_it_is_printed_and_written_once(tmp_path: Path) -> None:
    out = str(tmp_path / "s.json")
    assert CliRunner().invoke(main, ["schema"]).stdout == SCHEMA.read_text()
    assert CliRunner().invoke(main, ["schema", "-o", out]).exit_code == 0
    assert Path(out).read_text() == SCHEMA.read_text()
    assert CliRunner().invoke(main, ["schema", "-o", out]).exit_code == 1
