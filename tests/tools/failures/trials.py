"""What is tried: edits of the example's config, and what its script runs."""

from dataclasses import dataclass, field

TUNE = "tune run lora_finetune_single_device --config finetune.yaml"
WANDB = (
    "_component_: torchtune.training.metric_logging.DiskLogger",
    "_component_: torchtune.training.metric_logging.WandBLogger\n  mode: offline\n  project: tiny",
)
ADAPTER = ("save_adapter_weights_only: False", "save_adapter_weights_only: True")
DISTRIBUTED = "tune run --nproc_per_node 2 lora_finetune_distributed --config finetune.yaml"
#: A recipe of somebody's own, that makes torchtune's fail in its own steps.
OWN_RECIPE = """import os
import signal
import sys

import torch
import torch.distributed
from torchtune._cli.run import ROOT

sys.path.insert(0, str(ROOT / "recipes"))
join = torch.distributed.init_process_group
torch.distributed.init_process_group = lambda *_: join("gloo")  # a CPU has no NCCL
import lora_finetune_{kind} as stock

stock.init_process_group = lambda *_: join("gloo")
{more}
step, steps = torch.optim.AdamW.step, 0


def broken(*args, **kwargs):
    global steps
    steps += 1
    if steps == 20:
        {what}
    return step(*args, **kwargs)


torch.optim.AdamW.step = broken
sys.exit(stock.recipe_main())
"""


@dataclass(frozen=True)
class Trial:
    name: str
    script: str = TUNE
    edits: tuple[tuple[str, str], ...] = ()
    files: dict[str, str] = field(default_factory=dict)


NO_MEMORY_STATS = """stock.training.get_memory_stats = lambda device: {}  # a CPU has none
stock.training.log_memory_stats = lambda *_: None"""


def own(kind: str, what: str, more: str = NO_MEMORY_STATS) -> dict[str, str]:
    recipe = OWN_RECIPE.replace("{kind}", kind).replace("{what}", what)
    return {"recipe.py": recipe.replace("{more}", more)}


def killed(signal: str, command: str = TUNE) -> str:
    """The first bar is awaited, and the job's process sent a signal."""
    return f"""{command} > >(tee -a said.log >&2) 2>&1 &
until grep -q 'Loss:' said.log 2>/dev/null; do sleep 0.2; done
kill -{signal} $!
wait $!
"""


INSPECT = "inspect eval {task} --model {model} {more} --display plain --log-dir logs"


def inspect(
    task: str = "task.py",
    model: str = "hf/x -M model_path=../models/tiny-llama -M device=cpu",
    more: str = "-T data_path=../words.json --limit 4",
) -> str:
    return INSPECT.format(task=task, model=model, more=more)


OWN_TASK = """from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import match
from inspect_ai.solver import solver


@solver
def broken():
    async def solve(state, generate):
        raise KeyError("no such column")
    return solve


@task
def words():
    {body}
    return Task(dataset=[Sample(input="a", target="b", id=1), Sample(input="a", target="b", id={id})], solver=broken(), scorer=match())
"""

TRIALS = (
    # TOOLS.md, torchtune
    Trial("config_missing", "tune run lora_finetune_single_device --config nosuch.yaml"),
    Trial("bad_yaml", edits=(("seed: 14", "seed: [14\nshuffle: ]"),)),
    Trial("unknown_component", edits=(("torchtune.models.llama3_2.lora_llama3_2", "torchtune.models.nosuch.lora"),)),
    Trial("unknown_argument", edits=(("lora_dropout: 0.0", "nosuch_arg: 0.0"),)),
    Trial("missing_key", edits=(("\nepochs: 2", ""),)),
    Trial("bad_interpolation", edits=(("${run_dir}/artifacts", "${nosuch}/artifacts"),)),
    Trial("checkpoint_dir_missing", edits=(("checkpoint_dir: ${models_dir}/tiny-llama", "checkpoint_dir: /nonexistent"),)),
    Trial("checkpoint_file_missing", edits=(("[model.safetensors]", "[nosuch.safetensors]"),)),
    Trial("wrong_dimensions", edits=(("embed_dim: 64", "embed_dim: 32"),)),
    Trial("data_missing", edits=(("../words.json", "/nonexistent.json"),)),
    Trial("output_inside", edits=(("output_dir: ${run_dir}/artifacts", "output_dir: ${models_dir}/tiny-llama/artifacts"),)),
    Trial("unknown_recipe", "tune run nosuch_recipe --config finetune.yaml"),
    Trial("host_memory", edits=(("max_seq_len: 256", "max_seq_len: 20000000000"),)),
    Trial("sigterm", killed("TERM")),
    Trial("sigkill", killed("KILL")),
    # beyond it
    Trial("no_tune", "deactivate\n" + TUNE),
    Trial("no_environment", "source /nonexistent/bin/activate\nset -e\nexport PATH=/usr/bin:/bin\n" + TUNE),
    Trial("resume_without_state", TUNE, (("resume_from_checkpoint: False", "resume_from_checkpoint: True"),)),
    Trial("resume_of_another", f"{TUNE} epochs=1 && tune run full_finetune_single_device --config finetune.yaml resume_from_checkpoint=True model._component_=torchtune.models.llama3_2.llama3_2 model.lora_rank=9"),
    Trial("resume_without_epochs", f"{TUNE} epochs=1 && rm -r artifacts/epoch_0 && {TUNE} resume_from_checkpoint=True"),
    Trial("redirected", f"{TUNE} > train.log 2>&1", (("../words.json", "/nonexistent.json"),)),
    Trial("teed", f"set -o pipefail\n{TUNE} 2>&1 | tee train.log", (("field: train", "field: nosuch"),)),
    Trial("raised_in_training", "tune run recipe.py --config finetune.yaml", files=own("single_device", "raise RuntimeError('the gradient went away')")),
    Trial("assertion_without_words", "tune run recipe.py --config finetune.yaml", files=own("single_device", "assert False")),
    Trial("cuda_error_in_training", "tune run recipe.py --config finetune.yaml", files=own("single_device", "raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB')")),
    Trial("segfault", "tune run recipe.py --config finetune.yaml", files=own("single_device", "os.kill(os.getpid(), signal.SIGSEGV)")),
    Trial("keyboard_interrupt", "tune run recipe.py --config finetune.yaml", files=own("single_device", "signal.raise_signal(signal.SIGINT)")),
    Trial("wandb_raised", "tune run recipe.py --config finetune.yaml", (WANDB, ADAPTER), own("single_device", "raise RuntimeError('the gradient went away')")),
    Trial("wandb_redirected", "tune run recipe.py --config finetune.yaml > train.log 2>&1", (WANDB, ADAPTER), own("single_device", "raise RuntimeError('the gradient went away')")),
    Trial("wandb_killed", killed("KILL"), (WANDB, ADAPTER)),
    Trial("wandb_bad_mode", edits=((WANDB[0], WANDB[1].replace("offline", "nosuch")),)),
    Trial("post_step", f"{TUNE} && python ../post_finetune.py --config nosuch.yaml", (ADAPTER,)),
    Trial("disk_limit", f"ulimit -f 100\n{TUNE}"),
    Trial("distributed_data", "tune run --nproc_per_node 2 recipe.py --config finetune.yaml", (("../words.json", "/nonexistent.json"),), own("distributed", "pass")),
    Trial("distributed_on_a_cpu", "tune run --nproc_per_node 2 recipe.py --config finetune.yaml", files=own("distributed", "pass", "")),
    Trial("distributed_one_rank", "tune run --nproc_per_node 2 recipe.py --config finetune.yaml", files=own("distributed", "if os.environ['RANK'] == '1': raise ValueError('rank one alone')")),
    Trial("distributed_killed_rank", "tune run --nproc_per_node 2 recipe.py --config finetune.yaml", files=own("distributed", "if os.environ['RANK'] == '1': os.kill(os.getpid(), signal.SIGKILL)")),
    Trial("distributed_relative", "tune run --nproc_per_node 2 ./recipe.py --config finetune.yaml", files=own("distributed", "pass")),
    Trial("distributed_without_nccl", DISTRIBUTED),
    Trial("distributed_unknown_recipe", "tune run --nproc_per_node 2 lora_finetune_single_device --config finetune.yaml"),
    Trial("own_recipe_syntax", "tune run recipe.py --config finetune.yaml", files={"recipe.py": "def recipe_main(:\n    pass\n"}),
    # inspect-ai
    Trial("inspect_bad_model_path", inspect(model="hf/x -M model_path=/nonexistent -M device=cpu")),
    Trial("inspect_broken_weights", "cp -r ../models/tiny-llama model && truncate -s 100000 model/model.safetensors\n" + inspect(model="hf/x -M model_path=model -M device=cpu")),
    Trial("inspect_adapter_without_base", "mkdir model && cp ../models/tiny-llama/*.json model/ && rm model/model.safetensors* ; " + inspect(model="hf/x -M model_path=model -M device=cpu")),
    Trial("inspect_own_adapter", "mkdir model && touch model/adapter_model.pt\n" + inspect(model="hf/x -M model_path=model -M device=cpu")),
    Trial("inspect_adapter_names_no_base", "cp -r ../models/tiny-llama model && echo '{\"peft_type\": \"LORA\"}' > model/adapter_config.json\n" + inspect(model="hf/x -M model_path=model -M device=cpu")),
    Trial("inspect_task_not_found", inspect("nosuch.py")),
    Trial("inspect_task_syntax", inspect("own.py"), files={"own.py": "from inspect_ai import task\n@task\ndef words(:\n"}),
    Trial("inspect_task_raises", inspect("own.py", "mockllm/model", ""), files={"own.py": OWN_TASK.replace("{body}", "raise ValueError('no such split')").replace("{id}", "2")}),
    Trial("inspect_data_missing", inspect(more="-T data_path=/nonexistent.json")),
    Trial("inspect_duplicate_ids", inspect("own.py", "mockllm/model", ""), files={"own.py": OWN_TASK.replace("{body}", "pass").replace("{id}", "1")}),
    Trial("inspect_solver_raises", inspect("own.py", "mockllm/model", ""), files={"own.py": OWN_TASK.replace("{body}", "pass").replace("{id}", "2")}),
    Trial("inspect_no_model", "inspect eval task.py -T data_path=../words.json --limit 4 --display plain --log-dir logs"),
    Trial("inspect_unknown_argument", inspect(more="-T nosuch=1 --limit 4")),
    Trial("inspect_unknown_provider", inspect(model="nosuch/x")),
    Trial("inspect_unknown_option", inspect(more="--nosuch-option 3")),
)  # fmt: skip
