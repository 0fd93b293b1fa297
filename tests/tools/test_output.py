"""What the end of an output says about a failure."""

import pytest

from runexpd.tools.failures import classify, traceback_at_end
from runexpd.tools.output import lines


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "cuda_out_of_memory"),
        ("RuntimeError: CUDA out of memory. Tried", "cuda_out_of_memory"),
        ("RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory", "host_out_of_memory"),
        ("omegaconf.errors.InterpolationKeyError: Interpolation key 'nosuch' not found", "bad_config"),
        ("TypeError: lora_llama3_2() got an unexpected keyword argument 'nosuch_arg'", "bad_config"),
        ("Are you sure that 'nosuch' is importable from module 'torchtune.models'?", "bad_config"),
        ("ValueError: No file with name: nosuch.safetensors found in /m", "missing_model"),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: '/nonexistent/config.json'",
            "missing_model",
        ),
        ("FileNotFoundError: Unable to find '/nonexistent.json'", "missing_data"),
        ("/var/spool/slurm/script: line 9: tune: command not found", "missing_command"),
        ("finetune.slurm: line 4: /no/bin/activate: No such file or directory", "missing_command"),
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=7.batch.", "host_out_of_memory"),
        ("ZeroDivisionError: division by zero", "exception"),
    ],
)
def test_failures_are_told_apart(said: str, kind: str) -> None:
    failure = classify(f"Traceback (most recent call last):\n  File x\n{said}\n\r1|2|Loss: 0.5: 3%|#| 2/62 [")
    assert failure is not None
    assert failure.kind == kind
    assert failure.message == said


def test_an_output_that_says_nothing_is_no_class() -> None:
    assert classify("all is well\n") is None


def told(text: str) -> tuple[str, str]:
    failure = classify(text)
    assert failure is not None
    return failure.kind, failure.message


def test_ordinary_lines_are_no_cause() -> None:
    """A run that failed on resume: the error stands at the end, what was saved before it doesn't matter."""
    text = (
        "Adapter checkpoint of size 0.00 GiB saved to /exp/artifacts/epoch_0/adapter_config.json\n"
        "Traceback (most recent call last):\n"
        "ValueError: If should_load_recipe_state is True, recipe_checkpoint must be given\n"
    )
    assert told(text) == (
        "exception",
        "ValueError: If should_load_recipe_state is True, recipe_checkpoint must be given",
    )
    assert classify(text.split("Traceback")[0]) is None


def test_the_last_exception_is_the_cause() -> None:
    text = "FileNotFoundError: /m/config.json\n(caught)\nTraceback (most recent call last):\nKeyError: 'x'\n"
    assert told(text) == ("exception", "KeyError: 'x'")


def test_of_exceptions_that_were_raised_in_each_others_handling_the_one_that_is_known_counts() -> None:
    text = (
        "Traceback (most recent call last):\n  File x\ntorch.OutOfMemoryError: CUDA out of memory.\n\n"
        "During handling of the above exception, another exception occurred:\n\n"
        "Traceback (most recent call last):\n  File y\nRuntimeError: the logger was closed\n"
    )
    assert told(text) == ("cuda_out_of_memory", "torch.OutOfMemoryError: CUDA out of memory.")


DISTRIBUTED = """[rank1]: Traceback (most recent call last):
[rank1]:   File "recipe.py", line 7, in step
[rank1]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB
[rank0]: Traceback (most recent call last):
[rank0]: torch.distributed.DistBackendError: NCCL error: remote process exited
E1124 10:00:00 torch/distributed/elastic] failed (exitcode: 1) local_rank: 1 (pid: 7)
Traceback (most recent call last):
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
recipe.py FAILED
"""


def test_of_a_distributed_training_the_cause_is_what_a_rank_raised() -> None:
    kind, message = told(DISTRIBUTED)
    assert kind == "cuda_out_of_memory"
    assert message == "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"
    alone = "".join(DISTRIBUTED.splitlines(keepends=True)[-4:])
    assert told(alone) == (
        "exception",
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: recipe.py FAILED",
    )


def test_a_message_of_several_lines_is_told_with_what_follows() -> None:
    text = (
        "RuntimeError: Error(s) in loading state_dict for TransformerDecoder:\n\tsize mismatch for tok: ...\n"
    )
    assert told(text) == (
        "bad_config",
        "RuntimeError: Error(s) in loading state_dict for TransformerDecoder: size mismatch for tok: ...",
    )


@pytest.mark.parametrize(
    ("after", "is_last"),
    [
        ("", True),
        ("1|2|Loss: 0.5: 3%|#| 2/62 [\n  2%|#| 1/62 [\n", True),
        ("wandb: Run summary:\nwandb: loss 0.6\nsrun: error: node1: task 0: Exited with exit code 1\n", True),
        ("\tsize mismatch for tok_embeddings\n", True),
        ("Step 2 was tried again\n", False),
        ("Checkpoint saved in 0.01 seconds.\n", False),
    ],
)
def test_a_traceback_is_the_last_thing_that_was_said(after: str, is_last: bool) -> None:
    failure = traceback_at_end(f"Traceback (most recent call last):\n  File x\nKeyError: 'x'\n{after}")
    assert (failure is not None) == is_last


def test_an_exception_without_a_traceback_is_no_traceback() -> None:
    assert traceback_at_end("ValueError: a warning\n") is None
    assert traceback_at_end("Traceback (most recent call last):\n  File x\n") is None


def test_messages_are_one_short_line_that_can_be_shown() -> None:
    kind, message = told(f"ValueError: \x1b[31mred\x07\x9b\u202e {'x' * 70_000}\n")
    assert kind == "exception"
    assert message.startswith("ValueError: red\\x07\\x9b\\u202e xxx")
    assert len(message) == 300


def test_lines_are_as_a_person_sees_them() -> None:
    assert lines("a\r\x1b[1mb\x1b[0m\n\n  c \n") == ["a", "b", "  c"]
