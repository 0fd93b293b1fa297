"""What a scaffold does after a training, so that each epoch can be evaluated where peft is installed. From a run's directory:

    python ../post_finetune.py --config finetune.yaml

An adapter alone learns where its base model is. Beside merged weights the adapter is put away, into adapter_weights/:
transformers would apply it a second time, and the scores would be silently wrong.
"""

import argparse
import json
from pathlib import Path

from omegaconf import OmegaConf

ADAPTER = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.pt")


def name_the_base(epoch: Path, base: Path) -> None:
    path = epoch / "adapter_config.json"
    known = json.loads(path.read_text())
    path.write_text(json.dumps({**known, "base_model_name_or_path": str(base)}, indent=2))
    print(f"{path}: its base model is {base}")


def put_away(epoch: Path) -> None:
    away = epoch / "adapter_weights"
    away.mkdir(exist_ok=True)
    for name in ADAPTER:
        if (epoch / name).exists():
            (epoch / name).replace(away / name)
            print(f"{epoch / name}: put away into {away.name}/")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="finetune.yaml")
    config = OmegaConf.load(parser.parse_args().config)
    for epoch in sorted(Path(config.output_dir).glob("epoch_*")):
        if config.save_adapter_weights_only:
            name_the_base(epoch, Path(config.checkpointer.checkpoint_dir).absolute())
        else:
            put_away(epoch)


if __name__ == "__main__":
    main()
