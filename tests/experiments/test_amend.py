import contextlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from runexpd.experiments.amend import CantAmend, set_values

CONFIG = """# tune run lora_finetune_single_device
output_dir: ${run_dir}/artifacts  # stays
batch_size: 16   # as large as fits

optimizer:
  batch_size: 99
gradient_accumulation_steps: 1
"""


def test_values_are_set_and_all_else_stays() -> None:
    assert set_values(CONFIG, {"batch_size": 8, "gradient_accumulation_steps": 2}) == CONFIG.replace(
        "batch_size: 16 ", "batch_size: 8 "
    ).replace("steps: 1", "steps: 2")


def test_a_missing_key_comes_after_the_one_that_was_set() -> None:
    without = CONFIG.replace("gradient_accumulation_steps: 1\n", "")
    after = set_values(without, {"batch_size": 8, "gradient_accumulation_steps": 2})
    assert "batch_size: 8   # as large as fits\ngradient_accumulation_steps: 2\n" in after
    assert set_values("batch_size: 16", {"batch_size": 8, "steps": 2}) == "batch_size: 8\nsteps: 2\n"


def test_setting_twice_is_setting_once() -> None:
    values = {"batch_size": 8, "gradient_accumulation_steps": 2}
    once = set_values(CONFIG, values)
    assert set_values(once, values) == once


def test_lines_that_end_as_on_windows_stay_so() -> None:
    assert set_values("batch_size: 16\r\nx: 1\r\n", {"batch_size": 8}) == "batch_size: 8\r\nx: 1\r\n"


@pytest.mark.parametrize("filler", [" ", "x", "\t", "#", "a ", "batch_size", "batch_size:", "\r"])
def test_a_long_line_is_changed_or_left(filler: str) -> None:
    for text in (f"batch_size:{filler * 60_000}\n", f"batch_size: 1{filler * 60_000}\n", filler * 300_000):
        with contextlib.suppress(CantAmend):
            assert "batch_size: 8" in set_values(text, {"batch_size": 8})


@pytest.mark.parametrize(
    "config",
    [
        "batch_size: 16\nbatch_size: 16\n",
        "{batch_size: 16}\n",
        "- batch_size\n",
        "batch_size: [16]\nx: {\n",
        "batch_size: &b 16\n",
        "text: |\n  a\nbatch_size:\n  16\n",
        '"batch_size": 16\n',
        "",
    ],
)
def test_what_can_not_be_changed_line_by_line_is_left(config: str) -> None:
    with pytest.raises(CantAmend):
        set_values(config, {"batch_size": 8})


@given(text=st.text(alphabet="batch_size: 16#\n\"'|-{}[]&*x", max_size=80))
def test_any_text_is_changed_rightly_or_not_at_all(text: str) -> None:
    try:
        after = set_values(text, {"batch_size": 8})
    except CantAmend:
        return
    assert yaml.safe_load(after) == {**yaml.safe_load(text), "batch_size": 8}
