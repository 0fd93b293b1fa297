"""The JSON schema of experiment_summary.yaml, for editors: made of the types that read it, and of what is checked beyond them. Pure.

python -m runexpd.experiments.schema      prints it; what the client hands out is kept equal to it by a test
"""

import json
from typing import Any

import msgspec

from runexp.wire import names
from runexpd.experiments import limits, summary

_WORDS = {
    "_Experiment.name": "What `runexp ls` shows, and what commands take.",
    "_Experiment.dir": "Where the experiment is; another place than the file's own is warned of.",
    "_Experiment.question": "What it is to find out: the report's first line.",
    "_Tools.preparation": "The tool module of trainings; torchtune where none is named.",
    "_Tools.evaluation": "The tool module of evaluations; inspect-ai where none is named.",
    "_Output.base_directory": "Where outputs are, from the experiment's directory.",
    "_Run.name": "Its sub-directory, too.",
    "_Run.type": "fine-tuned is trained and evaluated; control is evaluated as it is; eval-only has a checkpoint already.",
    "_Run.parameters": "What varies: columns of the report.",
    "_Entry.run": "A name of `runs`.",
    "_Entry.tasks": "Each has <run>/eval/<task>[_epochN]/cell.slurm.",
    "_Entry.epochs": "Whose checkpoints are evaluated, counted from 0; null for a model that has none.",
    "_Document.runs": "Each with its own sub-directory; a fine-tuned one has finetune.yaml and finetune.slurm there.",
}


def schema() -> dict[str, Any]:
    """Draft 2020-12. Keys that runexp doesn't read are allowed, as they are by it."""
    (_,), parts = msgspec.json.schema_components([summary._Document], ref_template="#/$defs/{name}")
    for name, kind in parts.items():
        for key, value in kind["properties"].items():
            value.pop("default", None)
            if said := _WORDS.get(f"{name}.{key}"):
                value["description"] = said
    _limit(parts)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": summary.FILE,
        "description": "The design of an experiment, as runexp reads it.",
        "$ref": "#/$defs/_Document",
        "$defs": parts,
    }


def _limit(parts: dict[str, Any]) -> None:
    """What summary.py checks, as far as a schema can say it."""
    named = {"type": "string", "pattern": f"^{names.PLAIN.pattern}$"}
    run, entry = parts["_Run"]["properties"], parts["_Entry"]["properties"]
    run["name"] |= named
    run["type"] |= {"enum": list(summary.RUN_TYPES)}
    entry["tasks"]["items"] = named
    parts["_Experiment"]["properties"]["name"] |= {"minLength": 1, "maxLength": names.MOST_CHARACTERS}
    parts["_Document"]["properties"]["runs"] |= {"minItems": 1, "maxItems": limits.RUNS}
    epochs = next(kind for kind in entry["epochs"]["anyOf"] if kind["type"] == "array")
    epochs |= {"minItems": 1, "maxItems": limits.EPOCHS_OF_ENTRY}
    epochs["items"] = {"type": "integer", "minimum": 0, "exclusiveMaximum": limits.EPOCH}


def text() -> str:
    """As it is kept in the client."""
    return json.dumps(schema(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    print(text(), end="")  # noqa: T201
