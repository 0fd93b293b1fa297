"""Real failures, as the tools' own words tell them: each with its class and its line. See failures/README.md."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from runexp.wire.jobs import Failure
from runexpd.tools import printed
from runexpd.tools.base import Attempt

HERE = Path(__file__).parent / "failures"
#: A case, its script's exit code, the class, and how the line begins.
CASES = (
    ("config_missing", 1, "bad_config", "FileNotFoundError: [Errno 2] No such file or directory: '/exp/config_missing/nosuch.yaml'"),
    ("bad_yaml", 1, "bad_config", 'yaml.parser.ParserError: while parsing a flow sequence in "/exp/bad_yaml/finetune.yaml", line 46'),
    ("unknown_component", 1, "bad_config", "torchtune.config._errors.InstantiationError: Error loading 'torchtune.models.nosuch.lora'"),
    ("unknown_argument", 1, "bad_config", "TypeError: lora_llama3_2() got an unexpected keyword argument 'nosuch_arg'"),
    ("missing_key", 1, "bad_config", "omegaconf.errors.ConfigAttributeError: Missing key epochs"),
    ("bad_interpolation", 1, "bad_config", "omegaconf.errors.InterpolationKeyError: Interpolation key 'nosuch' not found"),
    ("checkpoint_dir_missing", 1, "missing_model", "FileNotFoundError: [Errno 2] No such file or directory: '/nonexistent/config.json'"),
    ("checkpoint_file_missing", 1, "missing_model", "ValueError: No file with name: nosuch.safetensors found in"),
    ("wrong_dimensions", 1, "bad_config", "RuntimeError: Error(s) in loading state_dict for TransformerDecoder: size mismatch for tok_embeddings"),
    ("data_missing", 1, "missing_data", "FileNotFoundError: Unable to find '/nonexistent.json'"),
    ("output_inside", 1, "bad_config", "ValueError: The output directory cannot be the same as or a subdirectory"),
    ("unknown_recipe", 1, "bad_config", "ImportError: No module named nosuch_recipe"),
    ("host_memory", 1, "host_out_of_memory", "RuntimeError: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator"),
    ("sigterm", 143, "killed", "it was killed by SIGTERM"),
    ("sigkill", 137, "killed", "line 7: 4250 Killed tune run lora_finetune_single_device"),
    ("no_tune", 127, "missing_command", "finetune.slurm: line 5: tune: command not found"),
    ("no_environment", 127, "missing_command", "finetune.slurm: line 7: tune: command not found"),
    ("resume_without_state", 1, "exception", "TypeError: join() argument must be str, bytes, or os.PathLike object"),
    ("resume_of_another", 1, "bad_config", "omegaconf.errors.ConfigAttributeError: Missing key optimizer_in_bwd"),
    ("resume_without_epochs", 1, "exception", "TypeError: join() argument must be str, bytes, or os.PathLike object"),
    ("redirected", 1, "missing_data", "FileNotFoundError: Unable to find '/nonexistent.json'"),
    ("teed", 1, "exception", "datasets.exceptions.DatasetGenerationError: An error occurred while generating the dataset; caused by KeyError: 'nosuch'"),
    ("raised_in_training", 1, "exception", "RuntimeError: the gradient went away"),
    ("assertion_without_words", 1, "exception", "AssertionError"),
    ("cuda_error_in_training", 1, "cuda_out_of_memory", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"),
    ("segfault", 139, "crashed", "line 4: 1624 Segmentation fault tune run recipe.py"),
    ("keyboard_interrupt", 130, "interrupted", "KeyboardInterrupt"),
    ("wandb_raised", 1, "exception", "RuntimeError: the gradient went away"),
    ("wandb_redirected", 1, "exception", "RuntimeError: the gradient went away"),
    ("wandb_killed", 137, "killed", "line 7: 19260 Killed tune run lora_finetune_single_device"),
    ("wandb_bad_mode", 1, "exception", "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings mode Input should be 'online'"),
    ("post_step", 1, "bad_config", "FileNotFoundError: [Errno 2] No such file or directory: '/exp/post_step/nosuch.yaml'"),
    ("disk_limit", 1, "disk_full", "safetensors._safetensors_rust.SafetensorError: Error while serializing: I/O error: File too large"),
    ("distributed_without_nccl", 1, "exception", "RuntimeError: Distributed package doesn't have NCCL built in"),
    ("distributed_on_a_cpu", 1, "exception", "ValueError: Logging memory stats is not supported on CPU devices"),
    ("distributed_relative", 1, "bad_config", "/venv/bin/python3: Relative module names not supported"),
    ("distributed_unknown_recipe", 2, "bad_config", "tune run: error: Recipe lora_finetune_single_device does not support distributed training"),
    ("inspect_bad_model_path", 1, "missing_model", "huggingface_hub.errors.HFValidationError: Repo id must use alphanumeric chars"),
    ("inspect_broken_weights", 1, "missing_model", "safetensors._safetensors_rust.SafetensorError: Error while deserializing header"),
    ("inspect_adapter_without_base", 1, "missing_model", "OSError: Error no file named pytorch_model.bin, model.safetensors"),
    ("inspect_own_adapter", 1, "missing_model", "ValueError: Unrecognized model in model. Should have a `model_type` key"),
    ("inspect_adapter_names_no_base", 1, "missing_model", "KeyError: 'base_model_name_or_path'"),
    ("inspect_task_not_found", 1, "missing_task", "Error: No inspect tasks were found at the specified paths."),
    ("inspect_task_syntax", 1, "missing_task", "Error: No inspect tasks were found at the specified paths."),
    ("inspect_task_raises", 1, "exception", "ValueError: no such split"),
    ("inspect_data_missing", 1, "missing_data", "FileNotFoundError: [Errno 2] No such file or directory: '/nonexistent.json'"),
    ("inspect_duplicate_ids", 1, "bad_data", "The dataset contains duplicate sample ids (duplicate id: 1)."),
    ("inspect_unknown_argument", 1, "bad_config", "TypeError: capitalization() missing 1 required positional argument: 'data_path'"),
    ("inspect_unknown_provider", 1, "bad_config", "ValueError: Model API nosuch of model 'nosuch/x' not recognized."),
    ("inspect_unknown_option", 2, "bad_config", "Error: No such option '--nosuch-option'."),
)  # fmt: skip
#: What a training says on its way, and what a traceback that was lived with looks like.
ORDINARY = (
    "Adapter checkpoint of size 0.00 GiB saved to /exp/artifacts/epoch_0/adapter_config.json\n"
    "nvidia-smi: command not found\n"
    "FileNotFoundError: /m/config.json (tried again)\n"
    "RuntimeError: CUDA out of memory. (the batch is halved)\n"
    "Traceback (most recent call last):\n"
    '  File "/venv/lib/python3/site-packages/wandb/sdk/x.py", line 1, in send\n'
    "    raise ConnectionError()\n"
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n"
)
GOING_ON = "".join(
    f"\r1|{n}|Loss: 0.5: {n}%|#| {n}/99 [00:01<00:02, 9.99it/s]\n" for n in range(1, 9)
) + "".join(f"Setting up part {n} of the model.\n" for n in range(20))


def texts(case: str) -> list[str]:
    return [file.read_text() for file in (HERE / f"{case}.txt", HERE / f"{case}.train.log") if file.exists()]


def why(exit_code: int, said: Sequence[str]) -> Failure:
    attempt = Attempt(slurm_job_id="7", state="FAILED", exit_code=f"{exit_code}:0", output="/exp/slurm-7.out")
    return printed.why(attempt, said)


@pytest.mark.parametrize(("case", "exit_code", "kind", "line"), CASES, ids=[case for case, *_ in CASES])
def test_a_real_failure(case: str, exit_code: int, kind: str, line: str) -> None:
    failure = why(exit_code, texts(case))
    assert (failure.kind, failure.message[: len(line)]) == (kind, line)
    assert 0 < len(failure.said) <= 15
    assert all(said.isprintable() and len(said) <= 250 for said in failure.said)
    assert not any("Loss:" in said or said.startswith("wandb:") for said in failure.said)


@pytest.mark.parametrize(("case", "exit_code", "kind", "line"), CASES, ids=[case for case, *_ in CASES])
def test_what_was_lived_with_is_no_cause(case: str, exit_code: int, kind: str, line: str) -> None:
    failure = why(exit_code, [ORDINARY + GOING_ON + text for text in texts(case) if text])
    assert (failure.kind, failure.message[: len(line)]) == (kind, line)


@pytest.mark.parametrize(
    "case", ["raised_in_training", "wandb_raised", "data_missing", "distributed_on_a_cpu"]
)
def test_a_cause_is_among_the_last_lines_that_say_something(case: str) -> None:
    failure = why(1, texts(case))
    assert any(failure.message in line for line in failure.said)


def test_what_follows_from_want_of_memory_is_no_cause() -> None:
    """A script without `set -e` goes on to what it does after a training, which fails, too."""
    failure = why(1, ["".join(texts("cuda_error_in_training") + texts("post_step"))])
    assert failure.kind != "cuda_out_of_memory", "an epoch was saved in between"
    after = texts("post_step")[0].rpartition("Traceback")
    failure = why(1, [texts("cuda_error_in_training")[0] + "".join(after[1:])])
    assert failure.kind == "cuda_out_of_memory"


def test_a_killed_tool_is_the_cause_of_what_fails_after_it() -> None:
    after = texts("post_step")[0].rpartition("Traceback")
    assert why(1, [texts("sigkill")[0] + "\n" + "".join(after[1:])]).kind == "killed"
    helper = "finetune.slurm: line 30: 4711 Killed    nvidia-smi --query-gpu=utilization.gpu\n"
    assert why(1, [helper + texts("data_missing")[0]]).kind == "missing_data"


def test_very_many_exceptions_that_stand_under_no_frame_are_looked_at_once() -> None:
    """Each by itself against all that follows it would take minutes."""
    failure = printed.told(["RuntimeError:\n" * 100_000])
    assert failure is not None
    assert failure.message.startswith("RuntimeError:")
