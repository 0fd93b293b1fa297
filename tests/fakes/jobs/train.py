"""Stands in for `tune run` in fast tests: the files, the log lines and the progress bars of a real LoRA training, in order.

    python3 train.py --output-dir DIR [--config YAML] [--seconds S] [--fate FATE] [--base DIR] [--shards N]

FATE: ok, bad_config, cuda_oom (until the batch is 4 or less), no_steps, truncated, children (that hide, for ten minutes),
adapter (epochs of adapter weights alone), silent (whole epochs, no log, no bars), elsewhere (all of it in DIR.late: whoever
waits for it moves it into place). Standard library only.
"""

import argparse
import json
import os
import re
import struct
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
    parser.add_argument("--base", type=Path, default=Path("../base-model"))
    parser.add_argument("--shards", type=int, default=1)
    args = parser.parse_args()
    config = args.config.read_text()
    if args.fate == "elsewhere":
        args.output_dir = args.output_dir.with_name(f"{args.output_dir.name}.late")
    if args.fate == "children":
        import subprocess  # which takes as long as the interpreter's start

        hide = 'trap "" TERM; echo hidden; exec sleep 600'
        subprocess.Popen(["setsid", "bash", "-c", hide])
        args.seconds = 600
    if args.fate == "bad_config" or not (found := re.search(r"^epochs: (\d+)", config, re.MULTILINE)):
        say("Traceback (most recent call last):\nomegaconf.errors.ConfigAttributeError: Missing key epochs")
        sys.exit(1)
    args.epochs = int(found[1])
    args.output_dir.mkdir(parents=True, exist_ok=True)
    (args.output_dir / "torchtune_config.yaml").write_text(config)
    with open_log(args) as lines:
        batch = re.search(r"^batch_size: (\d+)", config, re.MULTILINE)
        if args.fate == "cuda_oom" and batch and int(batch[1]) > 4:
            say("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.")
            sys.exit(1)
        for epoch in range(args.epochs):
            if args.fate != "no_steps":
                train(epoch, lines, args)
            save(args.output_dir / f"epoch_{epoch}", args)
        last_words(args)


def open_log(args: argparse.Namespace) -> TextIO:
    if args.fate == "silent":
        return Path(os.devnull).open("w")
    logs = args.output_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log: Path = logs / f"log_{int(time.time())}.txt"
    print(f"Writing logs to {log}", flush=True)
    return log.open("w")


def last_words(args: argparse.Namespace) -> None:
    if args.fate == "silent":
        return
    say("Saving final epoch checkpoint.")
    if args.fate == "adapter":
        say("Please note that you have set adapter_only=True, so only adapter weights will be saved.")
        say("Checkpoint saved in 0.01 seconds.")
    else:
        say(
            "The full model checkpoint, including all weights and configurations, has been saved successfully."
        )


def train(epoch: int, lines: TextIO, args: argparse.Namespace) -> None:
    for of_epoch in range(1, STEPS + 1):
        time.sleep(args.seconds / args.epochs / STEPS)
        step, loss = epoch * STEPS + of_epoch, 2.0 / (epoch * STEPS + of_epoch)
        bar = f"\r{epoch + 1}|{step}|Loss: {loss}: {100 * of_epoch // STEPS:3}%|#| {of_epoch}/{STEPS} [00:00<00:01, 57.37it/s]"
        if args.fate != "silent":
            say(bar, end="\x1b[A\n")
        lines.write(f"Step {step} | loss:{loss} lr:0.0 tokens_per_second_per_gpu:8603.2744140625 \n")
        lines.flush()


def save(directory: Path, args: argparse.Namespace) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    adapter = args.fate == "adapter"
    names = [f"model-{shard + 1:05}-of-{args.shards:05}.safetensors" for shard in range(args.shards)]
    name = "adapter_model.safetensors" if adapter else names[-1]
    if args.fate != "silent":
        say("Starting checkpoint save...")
    if adapter:
        save_adapter(directory, args.base)
    else:
        for shard in names:
            write_tensors(directory / shard, truncated=args.fate == "truncated")
        weights = {f"w{number}": shard for number, shard in enumerate(names)}
        index = {"metadata": {"total_size": 64 * len(names)}, "weight_map": weights}
        (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    copied = directory / COPIED
    copied.write_text("{}")
    os.utime(copied, (1e9, 1e9))  # copies keep the base model's time
    if args.fate != "silent":
        say(f"{'Adapter' if adapter else 'Model'} checkpoint of size 0.00 GiB saved to {directory / name}")


def save_adapter(directory: Path, base: Path) -> None:
    """As torchtune saves it, and a later step of the script writes the base model's path into it."""
    (directory / "adapter_model.pt").write_bytes(b"\0" * 64)
    write_tensors(directory / "adapter_model.safetensors", truncated=False)
    config = {"r": 8, "peft_type": "LORA", "base_model_name_or_path": str(base.resolve())}
    (directory / "adapter_config.json").write_text(json.dumps(config))


def write_tensors(path: Path, truncated: bool) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [16], "data_offsets": [0, 64]}}).encode()
    partial = path.parent / ".tmp-shard"
    partial.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * (32 if truncated else 64))
    partial.chmod(0o600)
    partial.rename(path)


def say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
