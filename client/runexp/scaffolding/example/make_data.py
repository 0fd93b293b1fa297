"""Make the data of the task: words to capitalize, in training and test splits that share no word.

    python make_data.py words.json [--train 1000] [--test 100] [--seed 1]

One file for both tools: torchtune reads the field `train`, inspect-ai the field `test`.
"""

import argparse
import json
import random
import string
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--train", type=int, default=1000)
    parser.add_argument("--test", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    words: dict[str, None] = {}  # a set that keeps its order
    while len(words) < args.train + args.test:
        words["".join(rng.choices(string.ascii_lowercase, k=5))] = None
    rows = [{"input": f"Capitalize: {w}", "output": w.capitalize()} for w in words]
    args.out.write_text(
        json.dumps({"train": rows[: args.train], "test": rows[args.train :]}, indent=0) + "\n"
    )


if __name__ == "__main__":
    main()
