"""What changed is said by value; a comment is no change."""

from hashlib import sha256
from typing import Any

import pytest
from msgspec.structs import replace

from runexp.wire.recipes import Data, Recipe, Text
from runexpd.recipes import compare, meaning

SCRIPT = """#!/bin/bash
#SBATCH --time=10:00
#SBATCH --gres=gpu:1
source env/bin/activate
inspect eval task.py --limit 10
"""


def recipe(script: str = SCRIPT, data: str = "d1", **values: str) -> tuple[Recipe, dict[str, str]]:
    name = sha256(script.encode()).hexdigest()
    text = Text(
        role="script", path="/e/cell.slurm", sha256=name, content=name, meaning=meaning.digest(script)
    )
    there = Data(path="/e/words.json", size_bytes=10, modified_at=1.0, sha256=data)
    return Recipe(texts=(text,), values=values, data=(there,)), {name: script}


def changes(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    (first, old), (second, new) = recipe(**before), recipe(**after)
    return compare.changes(first, second, {**old, **new})


def test_a_value_is_said_by_the_last_part_of_its_key() -> None:
    assert changes({"model.lora_rank": "4", "lr": "1"}, {"model.lora_rank": "2", "lr": "1"}) == (
        "lora_rank 4 -> 2",
    )
    assert changes({"a.x": "1", "b.x": "1"}, {"a.x": "2", "b.x": "1"}) == ("a.x 1 -> 2",)
    assert changes({}, {"seed": "1"}) == ("seed (none) -> 1",)


def test_what_an_earlier_version_did_not_blank_is_no_change() -> None:
    assert changes({"hub.password": "s3cr3t"}, {"hub.password": "***"}) == ()
    assert changes({}, {"hub.password": "***"}) == ("password (none) -> ***",)
    (then, old), (now, new) = recipe("wandb login s3cr3t"), recipe("wandb login ***")
    now = replace(now, texts=(replace(now.texts[0], sha256=then.texts[0].sha256),))
    assert compare.changes(then, now, {**old, **new}) == ()


@pytest.mark.parametrize(
    "script",
    [
        SCRIPT + "\n\n# a comment\n",
        SCRIPT.replace("--time=10:00", "--time=20:00"),
        SCRIPT.replace("activate\n", "activate  # the usual one\n"),
    ],
)
def test_a_comment_and_where_it_runs_are_no_change(script: str) -> None:
    assert changes({}, {"script": script}) == ()


def test_a_script_is_said_by_the_words_that_differ() -> None:
    assert changes({}, {"script": SCRIPT.replace("10\n", "20\n", 2).replace(":20", ":10")}) == (
        "cell.slurm: --limit 10 -> 20",
    )
    assert changes({}, {"script": SCRIPT.replace("gpu:1", "gpu:2")}) == (
        "cell.slurm: --gres=gpu:1 -> --gres=gpu:2",
    )
    assert changes({}, {"script": SCRIPT + "echo done\n"}) == ("cell.slurm: with `echo done`",)
    assert changes({}, {"script": "#!/bin/bash\na\nb\nc\n"}) == ("cell.slurm: 3 lines differ",)


def test_data_is_known_by_its_content() -> None:
    assert changes({}, {"data": "d2"}) == ("words.json 10 B -> 10 B, other content",)


def test_no_more_is_said_than_can_be_read() -> None:
    before, after = ({f"k{n}": str(n + more) for n in range(50)} for more in (0, 1))
    found = changes(before, after)
    assert len(found) == compare.MOST_LINES
    assert found[-1] == f"and {50 - compare.MOST_LINES + 1} more"


def test_what_can_not_be_read_now_is_not_said_to_be_gone_and_the_rest_is_compared() -> None:
    (first, old), (second, new) = recipe(lora_rank="4"), recipe(script=SCRIPT.replace("10", "20"))
    config = Text(role="config", path="/e/finetune.yaml", sha256="", content="", meaning="m")
    first = replace(first, texts=(*first.texts, config))
    second = replace(second, missing=("/e/finetune.yaml: there is no such file",))
    assert compare.changes(first, second, {**old, **new}) == ("cell.slurm: --limit 10 -> 20",)


def test_a_key_that_is_gone_is_said_though_some_other_file_can_not_be_read() -> None:
    (first, old), (second, new) = recipe(lora_rank="4"), recipe()
    second = replace(second, missing=("/e/words.json: there is no such file",))
    assert compare.changes(first, second, {**old, **new}) == ("lora_rank 4 -> (none)",)
