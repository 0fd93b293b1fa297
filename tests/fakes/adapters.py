"""The example's experiment as today's scaffolders make it: adapters alone, whose base model is named after the training."""

from pathlib import Path

NAME_THE_BASE = """
python - <<'DONE'
import json, pathlib
for path in pathlib.Path("artifacts").glob("epoch_*/adapter_config.json"):
    known = json.loads(path.read_text())
    path.write_text(json.dumps({{**known, "base_model_name_or_path": "{base}"}}))
DONE
"""


def save_adapters_alone(run: Path, base: Path) -> None:
    """Change a scaffolded run so."""
    config, script = run / "finetune.yaml", run / "finetune.slurm"
    text = config.read_text().replace("save_adapter_weights_only: False", "save_adapter_weights_only: True")
    config.write_text(text)
    script.write_text(script.read_text() + NAME_THE_BASE.format(base=base))
