"""What is trained: edits of the example's config, and what its script runs. Six steps an epoch, two epochs, unless it says otherwise."""

import json

from tools.failures.trials import ADAPTER, NO_MEMORY_STATS, TUNE, WANDB, Trial, own

#: A CPU has no NCCL, no figures of its memory, and nothing of a GPU's to clean up: all else is the stock recipe.
ON_A_CPU = f"{NO_MEMORY_STATS}\nstock.training.cleanup_before_training = lambda: None"
RECIPE = "tune run recipe.py --config finetune.yaml"
DISTRIBUTED = "tune run --nproc_per_node 2 recipe.py --config finetune.yaml"
#: A full fine-tuning knows no adapter's arguments.
FULL = (
    ("lora_llama3_2", "llama3_2"),
    ("  lora_attn_modules: [q_proj, v_proj, output_proj]\n  apply_lora_to_mlp: True\n", ""),
    ("  lora_rank: 8  # 2, 4, 8: test accuracy 0.37, 0.80, 0.99 after two epochs\n  lora_alpha: 16\n  lora_dropout: 0.0\n", ""),
    ("lr: 2e-3", "lr: 1e-3"),
    ("compile: False", "compile: False\noptimizer_in_bwd: False"),
)  # fmt: skip
LOGGER = "torchtune.training.metric_logging.DiskLogger\n  log_dir: ${output_dir}/logs"
STDOUT = (LOGGER, "torchtune.training.metric_logging.StdoutLogger")
TENSORBOARD = ("DiskLogger", "TensorBoardLogger")
CHECKPOINTER = "torchtune.training.FullModelHFCheckpointer"
PREFERENCES = json.dumps(
    [
        {
            "chosen": [{"role": "user", "content": f"Capitalize: {w}"}, {"role": "assistant", "content": w.title()}],
            "rejected": [{"role": "user", "content": f"Capitalize: {w}"}, {"role": "assistant", "content": w}],
        }
        for w in ("dwtgm", "lquca", "vltal", "sfyxa", "aoyjf", "kaflm", "ggflh", "avoqe") * 16
    ]
)  # fmt: skip
DPO = (
    ("torchtune.datasets.instruct_dataset", "torchtune.datasets.preference_dataset"),
    ("data_files: ../words.json\n  field: train", "data_files: preferences.json"),
    ("_component_: torchtune.modules.loss.CEWithChunkedOutputLoss\n  num_output_chunks: 1", "_component_: torchtune.rlhf.loss.DPOLoss"),
)  # fmt: skip
#: A base model in two files, and their index.
SPLIT = """import json, pathlib, shutil
from safetensors.torch import load_file, save_file
base, parts = pathlib.Path("../models/tiny-llama"), pathlib.Path("base")
shutil.copytree(base, parts)
weights = load_file(parts / "model.safetensors")
(parts / "model.safetensors").unlink()
names = sorted(weights)
halves = names[:8], names[8:]
files = [f"model-{n:05}-of-00002.safetensors" for n in (1, 2)]
for half, file in zip(halves, files):
    save_file({name: weights[name] for name in half}, parts / file, metadata={"format": "pt"})
index = {"metadata": {"total_size": 0}, "weight_map": {name: file for half, file in zip(halves, files) for name in half}}
(parts / "model.safetensors.index.json").write_text(json.dumps(index))
"""
#: The same in torchtune's own format, and in Meta's.
CONVERT = """import pathlib, torch
from safetensors.torch import load_file
from torchtune.models import convert_weights
weights = load_file("../models/tiny-llama/model.safetensors")
weights = convert_weights.hf_to_tune(weights, num_heads=4, num_kv_heads=2, dim=64)
base = pathlib.Path("base")
base.mkdir()
torch.save(weights, base / "model.pt")
weights["output.weight"] = weights["tok_embeddings.weight"]
torch.save(convert_weights.tune_to_meta(weights), base / "consolidated.00.pth")
"""
#: A wider model, whose weights can be had in four bits.
WIDEN = """import json, pathlib, shutil
from transformers import AutoConfig, AutoModelForCausalLM
config = AutoConfig.from_pretrained("../models/tiny-llama")
config.hidden_size, config.intermediate_size, config.head_dim = 256, 512, 64
AutoModelForCausalLM.from_config(config).save_pretrained("base")
for name in ("tokenizer.json", "tokenizer_config.json"):
    shutil.copy(f"../models/tiny-llama/{name}", "base")
"""
BASE = "${models_dir}/tiny-llama\n  checkpoint_files: [model.safetensors]"
WIDE = (
    ("checkpoint_dir: ${models_dir}/tiny-llama", "checkpoint_dir: base"),
    ("embed_dim: 64", "embed_dim: 256"),
    ("intermediate_dim: 128", "intermediate_dim: 512"),
    ("lora_dropout: 0.0", "lora_dropout: 0.0\n  quantize_base: True"),
)
#: In the middle of the second epoch, as a site ends a job.
ENDED = own("single_device", "os.kill(os.getpid(), signal.SIGTERM)")["recipe.py"]
RANKS = own("distributed", "pass", ON_A_CPU)["recipe.py"]


def case(
    name: str,
    script: str = TUNE,
    *edits: tuple[str, str],
    steps: int = 6,
    files: dict[str, str] | None = None,
) -> Trial:
    return Trial(
        name, script, (("max_steps_per_epoch: null", f"max_steps_per_epoch: {steps}"), *edits), files or {}
    )


CASES = (
    case("merged"),
    case("adapter", TUNE, ADAPTER),
    case("full", TUNE.replace("lora", "full"), *FULL),
    case("dora", TUNE, ("lora_dropout: 0.0", "lora_dropout: 0.0\n  use_dora: True")),
    case("qlora", f"python widen.py\n{TUNE}", *WIDE, files={"widen.py": WIDEN}),
    case("packed", TUNE, ("split: train", "split: train\n  packed: True"), ("batch_size: 16", "batch_size: 2")),
    case("accumulating", TUNE, ("gradient_accumulation_steps: 1", "gradient_accumulation_steps: 2"), ("log_every_n_steps: 1", "log_every_n_steps: 5")),
    case("dpo", "tune run lora_dpo_single_device --config finetune.yaml", *DPO, files={"preferences.json": PREFERENCES}),
    case("sharded", f"python split.py\n{TUNE}", (BASE, "base\n  checkpoint_files: {filename_format: 'model-{}-of-{}.safetensors', max_filename: '00002'}"), files={"split.py": SPLIT}),
    case("bin", TUNE, ("recipe_checkpoint: null", "recipe_checkpoint: null\n  safe_serialization: False")),
    case("torchtune_format", f"python convert.py\n{TUNE}", (BASE, "base\n  checkpoint_files: [model.pt]"), ("FullModelHFCheckpointer", "FullModelTorchTuneCheckpointer"), files={"convert.py": CONVERT}),
    case("meta_format", f"python convert.py\n{TUNE}", (BASE, "base\n  checkpoint_files: [consolidated.00.pth]"), ("FullModelHFCheckpointer", "FullModelMetaCheckpointer"), files={"convert.py": CONVERT}),
    case("torchtune_adapter", f"python convert.py\n{TUNE}", (BASE, "base\n  checkpoint_files: [model.pt]"), ("FullModelHFCheckpointer", "FullModelTorchTuneCheckpointer"), ADAPTER, files={"convert.py": CONVERT}),
    case("stdout", TUNE, STDOUT),
    case("tensorboard", TUNE, TENSORBOARD),
    case("wandb", TUNE, WANDB),
    case("redirected", f"{TUNE} > train.log 2>&1"),
    case("redirected_bars", f"{TUNE} > /dev/null 2> train.log", STDOUT),
    case("unseen", f"{TUNE} > /dev/null 2>&1", STDOUT),
    case("overridden", f"{TUNE} output_dir=elsewhere epochs=1"),
    case("not_finite", TUNE, ("lr: 2e-3", "lr: 1e30"), ("clip_grad_norm: 1.0", "clip_grad_norm: null")),
    case("ended", RECIPE, steps=12, files={"recipe.py": ENDED}),
    case("resumed", f"{RECIPE}\n{RECIPE} resume_from_checkpoint=True", steps=12, files={"recipe.py": ENDED}),
    case("resumed_adapter", f"{RECIPE}\n{RECIPE} resume_from_checkpoint=True", ADAPTER, steps=12, files={"recipe.py": ENDED}),
    case("resumed_at_its_end", f"{TUNE} epochs=1\n{TUNE} resume_from_checkpoint=True"),
    case("left_behind", f"{TUNE} &\nsleep 6"),
    case("distributed", DISTRIBUTED, files={"recipe.py": RANKS}),
    case("distributed_adapter", DISTRIBUTED, ADAPTER, files={"recipe.py": RANKS}),
    case("distributed_full", DISTRIBUTED, *FULL, files={"recipe.py": RANKS.replace("lora_finetune", "full_finetune")}),
    case("distributed_wandb", DISTRIBUTED, WANDB, files={"recipe.py": RANKS}),
)  # fmt: skip
