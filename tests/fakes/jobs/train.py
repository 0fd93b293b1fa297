"""Stands in for `tune run` in fast tests: the files, the log lines and the progress bars of a real LoRA training, in order.

    python3 train.py --output-dir DIR --epochs N [--seconds S] [--fate FATE]

FATE: ok, bad_config, cuda_oom (until the batch is 4 or less), no_steps, truncated, children (that hide, for ten minutes). Standard library only.
"""

import argparse
import json
import os
import re
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TextIO

STEPS = 4
COPIED = "config.json"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("--config", type=Path, default=Path("finetune.yaml"))
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--fate", default="ok")
    args = parser.parse_args()
    config = args.config.read_text()
    if args.fate == "children":
        hide = 'trap "" TERM; echo hidden; exec sleep 600'
        subprocess.Popen(["setsid", "bash", "-c", hide])
        args.seconds = 600
    if args.fate == "bad_config" or not (found := re.search(r"^epochs: (\d+)", config, re.MULTILINE)):
        say("Traceback (most recent call last):\nomegaconf.errors.ConfigAttributeError: Missing key epochs")
        sys.exit(1)
    logs = args.output_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    (args.output_dir / "torchtune_config.yaml").write_text(config)
    log = logs / f"log_{int(time.time())}.txt"
    print(f"Writing logs to {log}", flush=True)
    batch = re.search(r"^batch_size: (\d+)", config, re.MULTILINE)
    with log.open("w") as lines:
        if args.fate == "cuda_oom" and batch and int(batch[1]) > 4:
            say("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.")
            sys.exit(1)
        for epoch in range(int(found[1])):
            if args.fate != "no_steps":
                train(epoch, lines, args.seconds / int(found[1]))
            save(args.output_dir / f"epoch_{epoch}", truncated=args.fate == "truncated")
        say("Saving final epoch checkpoint.")
        say(
            "The full model checkpoint, including all weights and configurations, has been saved successfully."
        )


def train(epoch: int, lines: TextIO, seconds: float) -> None:
    for of_epoch in range(1, STEPS + 1):
        time.sleep(seconds / STEPS)
        step, loss = epoch * STEPS + of_epoch, 2.0 / (epoch * STEPS + of_epoch)
        bar = f"\r{epoch + 1}|{step}|Loss: {loss}: {100 * of_epoch // STEPS:3}%|#| {of_epoch}/{STEPS} [00:00<00:01, 57.37it/s]"
        say(bar, end="\x1b[A\n")
        lines.write(f"Step {step} | loss:{loss} lr:0.0 tokens_per_second_per_gpu:8603.2744140625 \n")
        lines.flush()


def save(directory: Path, truncated: bool) -> None:
    say("Starting checkpoint save...")
    directory.mkdir(parents=True, exist_ok=True)
    header = json.dumps({"w": {"dtype": "F32", "shape": [16], "data_offsets": [0, 64]}}).encode()
    name = "model-00001-of-00001.safetensors"
    shard = struct.pack("<Q", len(header)) + header + b"\0" * (32 if truncated else 64)
    partial = directory / ".tmp-shard"
    partial.write_bytes(shard)
    partial.chmod(0o600)
    partial.rename(directory / name)
    index = {"metadata": {"total_size": 64}, "weight_map": {"w": name}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    copied = directory / COPIED
    copied.write_text("{}")
    os.utime(copied, (1e9, 1e9))  # copies keep the base model's time
    say(f"Model checkpoint of size 0.00 GiB saved to {directory / name}")


def say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
