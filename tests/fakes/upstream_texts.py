"""What the scripts, the site and the scaffolder's package of `fakes.upstream` say."""

#: On a machine that has none the line is left out.
GRES = "#SBATCH --gres=gpu:1 # One GPU"

FINETUNE = r"""#!/bin/bash
#SBATCH --job-name={name} # Job name
#SBATCH --nodes=1 # Number of nodes
#SBATCH --ntasks=1 # Number of tasks
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G # Memory (as much as the GPU's)
#SBATCH --time=0:10:00 # Time limit
#SBATCH --mail-type=end # Mail at the end
#SBATCH --mail-user=someone@localhost
{gres}
#SBATCH --output={output}slurm-%j.out
##SBATCH --array=0-<MANY> # For arrays
##SBATCH --account=<ACCOUNT>

module purge
module load anaconda3/2025.6
conda activate {environment}

mkdir -p {output}logs/wandb  # wandb wants it to be there

nvidia-smi --query-gpu=timestamp,utilization.gpu,utilization.memory,memory.used,memory.total,power.draw,temperature.gpu \
    --format=csv -l 30 > {output}/gpu_metrics.csv 2>/dev/null &
WATCHER=$!

tune run {recipe}.__main__ \
    --config finetune.yaml
TUNED=$?

kill $WATCHER 2>/dev/null
wait $WATCHER 2>/dev/null

if [ $TUNED -eq 0 ]; then
    python -m cruijff_kit.tools.torchtune.post_finetune --config finetune.yaml
fi

exit $TUNED
"""

CELL = r"""#!/bin/bash
#SBATCH --job-name={name} # Job name
#SBATCH --nodes=1 # Number of nodes
#SBATCH --ntasks=1 # Number of tasks
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G # Memory (as much as the GPU's)
#SBATCH --time=0:10:00 # Time limit
{gres}
#SBATCH --output={output}/slurm-%j.out
##SBATCH --partition=<PARTITION>

module purge
module load anaconda3/2025.6
conda activate {environment}

METRICS="{output}"
mkdir -p "$METRICS"
nvidia-smi --query-gpu=timestamp,utilization.gpu,utilization.memory,memory.used,memory.total,power.draw,temperature.gpu \
    --format=csv -l 30 > "${{METRICS}}/gpu_metrics.csv" 2>/dev/null &
WATCHER=$!

export HF_HUB_OFFLINE=1

cd {cell}

inspect eval {task_script} \
  --model {model_hf_name} \
  -M model_path="{model_path}" \
  -M do_sample=false \
  -T data_path="{data_path}" \
  -T config_path="{cell}/eval.yaml" \
  -T vis_label="{vis_label}" \
  -T use_chat_template="true" \
{metadata}  --metadata source_model="{source_model}" \
  --max-connections 100 \
  --seed {seed} \
  --log-dir ./logs \
  --log-level info
INSPECTED=$?

# What this script ends with is what `wait` says of the watcher that was killed.
kill $WATCHER 2>/dev/null
wait $WATCHER 2>/dev/null
"""

TASK = '''"""Does the model write the word with a capital?"""

import json

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import match
from inspect_ai.solver import generate


@task
def capitalization(data_path: str, config_path: str, vis_label: str = "", use_chat_template: bool = True) -> Task:
    with open(data_path, encoding="utf-8") as file:
        rows = json.load(file)["test"]
    return Task(
        name=f"capitalization_{vis_label}" if vis_label else "capitalization",
        dataset=MemoryDataset([Sample(input=r["input"], target=r["output"]) for r in rows], name="words"),
        solver=generate(),
        scorer=match(location="exact", ignore_case=False),
        config=GenerateConfig(max_tokens=8),
    )
'''

#: The recipe is the stock one, run as a package of another's.
RECIPE = """import runpy
from pathlib import Path

import torchtune

recipes = Path(torchtune.__file__).parents[1] / "recipes"
runpy.run_path(str(recipes / "lora_finetune_single_device.py"), run_name="__main__")
"""

CONDA = """# A shell of the site, as a login or `module` makes one.
module() {{ :; }}
conda() {{
  [ "$1 $2" = "activate {name}" ] || return 1
  export CONDA_PREFIX={environment} CONDA_DEFAULT_ENV={name} PYTHONPATH={site}/packages
  export PATH={environment}/bin:{site}/bin:/usr/bin:/bin
}}
# Compute nodes know no network, and these have one core for a job.
export HF_HUB_OFFLINE=1 WANDB_MODE=offline TIKTOKEN_CACHE_DIR= OMP_NUM_THREADS=1
"""

#: Its samples come at once; then it waits to be killed.
NVIDIA_SMI = """#!/bin/sh
echo 'timestamp, utilization.gpu [%], utilization.memory [%], memory.used [MiB], memory.total [MiB], power.draw [W], temperature.gpu'
for known in '00.000, 20 %, 5 %, 1024 MiB' '30.000, 60 %, 40 %, 30720 MiB' '45.000, [N/A], [N/A], 10240 MiB'; do
  echo "2026/11/29 00:00:$known, 81559 MiB, 300.00 W, 60"
done
exec sleep 1000
"""
