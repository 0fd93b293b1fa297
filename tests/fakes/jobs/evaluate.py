"""Stands in for `inspect eval` in fast tests: the log that a real evaluation leaves, and its exit code.

    python3 evaluate.py --model-path DIR [--score X] [--seconds S] [--fate FATE]

FATE: ok, error, no_scores, partial, started, no_log, elsewhere (the log is in logs.late: whoever waits for it moves it into
place). Like inspect, it exits 0 when the evaluation failed.
"""

import argparse
import json
import sys
import time
import zipfile
from pathlib import Path

SAMPLES = 10


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model-path", type=Path, required=True)
    parser.add_argument("--task", default="words")
    parser.add_argument("--score", type=float, default=0.5)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--fate", default="ok")
    parser.add_argument("--log-dir", type=Path, default=Path("logs"))
    args = parser.parse_args()
    if not args.model_path.exists() or args.fate == "no_log":
        print(
            f"OSError: Error no file named model.safetensors found in directory {args.model_path}",
            file=sys.stderr,
        )
        sys.exit(1)
    if args.fate == "elsewhere":
        args.log_dir = args.log_dir.with_name(f"{args.log_dir.name}.late")
    time.sleep(args.seconds)
    print(
        f"slow | Steps:   {SAMPLES}/{SAMPLES} 100% | Samples:  {SAMPLES}/ {SAMPLES} | accuracy: 1.00",
        flush=True,
    )
    args.log_dir.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y-%m-%dT%H-%M-%S-00-00", time.gmtime())
    log = args.log_dir / f"{stamp}_{args.task}_{time.time_ns() % 10**10}.eval"
    with zipfile.ZipFile(log, "w") as archive:
        archive.writestr("_journal/start.json", "{}")
        if args.fate != "started":
            archive.writestr("header.json", json.dumps(header(args)))
    print(f"\nLog: {log}", flush=True)


def header(args: argparse.Namespace) -> dict[str, object]:
    metrics = {"accuracy": {"name": "accuracy", "value": args.score}}
    scores = [{"name": "match", "scorer": "match", "metrics": metrics}]
    done = SAMPLES - 2 if args.fate == "partial" else SAMPLES
    results = {"total_samples": SAMPLES, "completed_samples": done, "scores": scores}
    failed = args.fate in ("error", "no_scores")
    return {
        "version": 2,
        "status": "error" if args.fate == "error" else "success",
        "eval": {"task": args.task, "model": "hf/fake", "model_args": {"model_path": str(args.model_path)}},
        "results": None if failed else results,
        "error": {"message": "RuntimeError('the solver raised')"} if args.fate == "error" else None,
    }


if __name__ == "__main__":
    main()
