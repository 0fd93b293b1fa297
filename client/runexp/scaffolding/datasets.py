"""What torchtune's dataset of a file of samples is: questions with answers, or conversations, as JSON or JSON lines."""

import json
from pathlib import Path
from typing import Any

from runexp.scaffolding import reading
from runexp.scaffolding.problems import CannotBe

#: Names that data sets have for the question and for the answer.
_PAIRS = (
    ("input", "output"),
    ("prompt", "completion"),
    ("prompt", "response"),
    ("question", "answer"),
    ("instruction", "output"),
)
_SPLITS = ("train", "training")
_SHOWN = 6
#: Read whole, to see what it is.
MOST_BYTES = 256 << 20
_TOO_LARGE = (
    f"begin with {MOST_BYTES >> 20} MB of it in a file, and name the whole in finetune.yaml afterwards"
)
_HINT = "rows with `input` and `output`, or with `messages`: a list, an object with the key train, or an object a line"


def read(path: Path) -> dict[str, Any]:
    """The `dataset` of a torchtune config. Raises CannotBe, OSError."""
    data = reading.whole(path, MOST_BYTES, _TOO_LARGE)
    try:
        sample, field = _first(data.decode())
    except ValueError as error:
        raise CannotBe(
            f"{path}: {'no text' if isinstance(error, UnicodeDecodeError) else error}", _HINT
        ) from None
    common: dict[str, Any] = {"source": "json", "data_files": str(path.absolute()), "split": "train"}
    common |= {"field": field} if field else {}
    if isinstance(sample.get("messages"), list):
        chat = {"_component_": "torchtune.datasets.chat_dataset", "conversation_column": "messages"}
        return {**chat, "conversation_style": "openai", **common}
    for names in _PAIRS:
        if all(name in sample for name in names):
            columns = {} if names == _PAIRS[0] else {"column_map": dict(zip(_PAIRS[0], names, strict=True))}
            return {"_component_": "torchtune.datasets.instruct_dataset", **columns, **common}
    there = ", ".join(list(sample)[:_SHOWN])
    raise CannotBe(f"{path}: a row has {there}", _HINT)


def _first(text: str) -> tuple[dict[str, Any], str | None]:
    """The first row, and the field that its split is in. Raises ValueError."""
    field = None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = _first_line(text)
    if isinstance(document, dict):
        field = next((name for name in _SPLITS if isinstance(document.get(name), list)), None)
        document = document[field] if field else document
    row = document[0] if isinstance(document, list) and document else document
    if not isinstance(row, dict) or not row:
        raise ValueError("there are no rows")
    return row, field


def _first_line(text: str) -> Any:
    try:
        return json.loads(text.lstrip().partition("\n")[0])
    except (ValueError, RecursionError):
        raise ValueError("neither JSON nor JSON lines") from None
