"""Hostile scaffolds: what lies where scripts, configs and directories should."""

import os
from collections.abc import Iterator
from pathlib import Path

from hostile.spoiling import (
    KINDS,
    Spoil,
    after_first_line,
    directory,
    fifo,
    forbidden,
    gone,
    link,
    made,
    several,
    swap,
    write,
)

TRAIN, CELL, CONFIG = "r/finetune.slurm", "r/eval/words_epoch0/cell.slurm", "r/finetune.yaml"
FILES = {"the training script": TRAIN, "the cell": CELL, "the config": CONFIG}
FORGED = "\n[2025-01-01 00:00:00] SUBMIT_JOB: forged\nDetails: -\nJob ID: 31337\n"

DIRECTIVES = {
    "superscript tasks": "--ntasks=²",
    "tasks of 5000 digits": "--ntasks=" + "9" * 5000,
    "no tasks": "--ntasks=0",
    "negative tasks": "--ntasks=-4",
    "many tasks": "--ntasks=99999",
    "an array": "--array=1-1000000",
    "wait": "--wait",
    "another cluster": "-M other",
    "a dependency": "--dependency=afterok:1",
    "a job in parts": "hetjob",
    "a directory that isn't": "--chdir=nowhere/at/all",
    "a directory that is a file": "--chdir=finetune.yaml",
    "a NUL in the output": "--output=a\0b",
    "a newline's name in the output": "--output=a%0Ab%n",
    "every pattern": "--output=%%%A%a%J%j%N%n%s%t%u%x%9999999999999999999j%q%",
    "a wide pattern": "--output=" + "%99999999j" * 100,
    "an output of 5000 characters": "--output=" + "x" * 5000,
    "an output upwards": "--output=" + "../" * 30 + "tmp/x",
    "an output in /proc": "--output=/proc/self/mem",
    "an output that is a device": "--output=/dev/full",
    "an output that is a directory": "--output=.",
    "an output that isn't UTF-8": "--output=\udcff\udcfe.out",
    "an output of control characters": "--output=a\x1b[31m\x07.out",
    "an output with a backslash": "--output=a\\%j",
    "a name of control characters": "--job-name=\x1b]0;x\x07",
    "a name that is turned round": "--job-name=\u202eevil",
    "a name with a line separator": "--job-name=a\u2028#SBATCH --array=1",
    "a name with a form feed": "--job-name=a\fb",
    "a name with a NUL": "--job-name=a\0b",
    "a name of 2000 characters": "--job-name=" + "n" * 2000,
    "a name with a slash": "--job-name=a/../../b",
    "a name of a shell": '--job-name="$(touch /tmp/owned)"',
    "half a quote": '--job-name="a',
    "a time of nonsense": "--time=soon",
    "a time of digits": "--time=" + "9" * 4000,
    "a negative time": "--time=-5",
    "a time in other digits": "--time=١٠",
    "a long time": "--time=999999999-00:00:00",
    "no time": "--time=0:00:00",
    "no value": "--output",
    "an unknown option": "--frobnicate=1",
    "a long unknown option": "--" + "x" * 10_000,
    "a single dash": "-",
    "two dashes": "--",
    "equals": "--=x",
    "flags": "-HkOsQvW",
    "an unknown flag": "-Z",
    "many words": "a " * 5000,
    "a line of 15000 quotes": "''" * 7500,
    "a line of a megabyte": "--comment=" + "x" * 1_000_000,
    "many lines": "\n".join(["--comment=x"] + ["#SBATCH --comment=" + "y" * 90] * 2000),
    "gpus": "--gres=gpu:999999999999999999999",
    "no such gpus": "--gres=" + "gpu:" * 1000,
    "export": "--export=NONE,X=$(id)",
    "open mode": "--open-mode=\x00",
    "a comment of bytes": "--comment=\udc80\udcff",
}
SCRIPTS: dict[str, str | bytes] = {
    "no interpreter": "echo x\n",
    "an interpreter that isn't": "#!/no/such/program\n",
    "an interpreter of a megabyte": "#!" + "x" * 1_000_000 + "\n",
    "DOS lines": "#!/bin/bash\r\n#SBATCH --time=1\r\nexit 0\r\n",
    "a byte order mark": "\ufeff#!/bin/bash\nexit 0\n",
    "a NUL": b"#!/bin/bash\nexit 0\n\0\0\0",
    "no end": b"#!/bin/bash",
    "bytes": b"#!/bin/bash\n# \xff\xfe\xfd\nexit 0\n",
    "half a character": b"#!/bin/bash\n# \xed\xa0\x80\nexit 0\n",
    "a line of a megabyte": "#!/bin/bash\ntune run " + "a" * 1_000_000 + "\n",
    "a megabyte of continuations": "#!/bin/bash\ntune run \\\n" + " x \\\n" * 150_000,
    "a hundred thousand tune runs": "#!/bin/bash\nexit 0\n" + "tune run x --config y\n" * 40_000,
    "quotes": "#!/bin/bash\nexit 0\ntune run " + "'\"" * 8000 + "\n",
    "backslashes": "#!/bin/bash\nexit 0\ntune run " + "\\" * 16_000 + "\n",
    "activations": "#!/bin/bash\nexit 0\n" + "source a/bin/activate\n" * 8000,
    "almost activations": "#!/bin/bash\nexit 0\n" + "source" + " " * 16_000 + "\n",
    "overrides": "#!/bin/bash\nexit 0\ntune run x --config finetune.yaml "
    + " ".join(f"a.b{n}=[{n}" for n in range(1000)),
    "deep overrides": "#!/bin/bash\nexit 0\ntune run x --config finetune.yaml "
    + ".".join("a" * 4000)
    + "=1\n",
    "an override of everything": "#!/bin/bash\nexit 0\ntune run x --config finetune.yaml ~checkpointer epochs=-1 epochs=1e99 x=&a=*a\n",
    "a config of nowhere": "#!/bin/bash\nexit 0\ntune run x --config /dev/zero\n",
    "a config upwards": "#!/bin/bash\nexit 0\ntune run x --config ../../../../../../etc/passwd\n",
    "an option without a value": "#!/bin/bash\nexit 0\ninspect eval --log-dir\n",
    "a log directory of bytes": b"#!/bin/bash\nexit 0\ninspect eval --log-dir $'\\xff' --log-dir /dev/fd\n",
    "a log directory that forges": f"#!/bin/bash\nexit 0\ninspect eval x --log-dir 'a\x1b[31m\u202e' {FORGED}",
    "five megabytes": "#!/bin/bash\nexit 0\n#" + "x" * 5_000_000,
    "a fork of a hundred": "#!/bin/bash\nfor i in $(seq 100); do sleep 0.2 & done; wait\nexit 1\n",
    "a death": "#!/bin/bash\nkill -KILL $$\n",
    "a stop of its keeper's kind": "#!/bin/bash\ntrap '' TERM INT HUP\nexit 77\n",
    "no output to write to": "#!/bin/bash\nexec >&- 2>&- <&-\nexit 3\n",
    "its own directory removed": '#!/bin/bash\nrm -rf "$PWD"\n',
    "its directory made unreadable": "#!/bin/bash\nmkdir -p artifacts/epoch_0; chmod 000 artifacts .; exit 0\n",
}
CONFIGS: dict[str, str | bytes] = {
    "an interpolation of itself": "epochs: ${epochs}\n",
    "interpolations in a circle": "epochs: ${a}\na: ${b}\nb: ${epochs}\n",
    "interpolations that grow": "epochs: 1\na0: x\n"
    + "".join(f"a{n}: '${{a{n - 1}}}${{a{n - 1}}}'\n" for n in range(1, 40))
    + "checkpointer: {output_dir: '${a39}'}\n",
    "nested interpolations": "epochs: 1\ncheckpointer: {output_dir: '" + "${" * 2000 + "}" * 2000 + "'}\n",
    "open interpolations": "epochs: 1\ncheckpointer: {output_dir: '" + "${a" * 20_000 + "'}\n",
    "a resolver": "epochs: ${oc.env:HOME}\ncheckpointer: {output_dir: '${oc.decode:x}${oc.create:y}'}\n",
    "a missing value": "epochs: ???\n",
    "aliases that grow": "epochs: 1\na0: &a0 [x, x]\n"
    + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)),
    "two million epochs": "epochs: 2000000\n",
    "negative epochs": "epochs: -1\n",
    "epochs that are infinite": "epochs: .inf\n",
    "epochs that are a list": "epochs: [1, 2]\n",
    "epochs of 5000 digits": "epochs: " + "9" * 5000 + "\n",
    "epochs of 60 digits": "epochs: " + "9" * 60 + "\n",
    "true epochs": "epochs: true\n",
    "no epochs": "batch_size: 1\n",
    "epochs of half a character": 'epochs: "\\ud800"\n',
    "a directory of half a character": 'epochs: 1\ncheckpointer: {output_dir: "\\udfff"}\n',
    "a directory of NUL": 'epochs: 1\ncheckpointer: {output_dir: "a\\0b"}\n',
    "a directory of newlines": 'epochs: 1\ncheckpointer: {output_dir: "a\\nJob ID: 31337\\n"}\nmetric_logger: {log_dir: "\\u202ex\\e[0m"}\n',
    "a directory of 60000 characters": "epochs: 1\ncheckpointer: {output_dir: " + "x/" * 30_000 + "}\n",
    "a directory of the system": "epochs: 1\ncheckpointer: {output_dir: /proc}\nmetric_logger: {log_dir: /dev}\n",
    "the root": "epochs: 1\ncheckpointer: {output_dir: /}\nmetric_logger: {log_dir: /}\n",
    "a directory that is a number": "epochs: 1\ncheckpointer: {output_dir: 5}\nmetric_logger: 7\n",
    "epochs to save": "epochs: 3\nsave_every_n_epochs: 0\nepochs_to_save: [-1, 2000000, x, .nan]\n",
    "a batch of nonsense": "epochs: 1\nbatch_size: -3\ngradient_accumulation_steps: 0\n",
    "a list": "- a\n- b\n",
    "a key that is null": "~: 1\nepochs: 1\n",
    "deep mappings": "epochs: 1\na: " + "{a: " * 40_000,
    "a key with dots": "checkpointer.output_dir: x\nepochs: 1\n",
}

#: Nobody runs git there: what it would run is its configuration's to say.
COMMANDS = "[core]\n\tfsmonitor = touch /tmp/owned\n[include]\n\tpath = config\n"
HEADS: dict[str, str | bytes] = {
    "upwards": "ref: ../../../../etc/passwd\n",
    "itself": "ref: HEAD\n",
    "bytes": b"\xff" * 40,
    "a long path": "ref: " + "x/" * 3000,
    "short": "a" * 39,
}
MARKS: dict[str, str | bytes] = {
    "nothing": "",
    "bytes": b"\xff\n\xfe\n",
    "many lines": "a b c\n" * 500,
    "a long line": "x" * 100_000,
    "another's job that is its own record": "t\nh:/d\nr\nlocal\n/dev/zero\n",
}


def cases() -> Iterator[tuple[str, Spoil]]:
    for what, path in FILES.items():
        for kind, put in KINDS.items():
            yield f"{kind} as {what}", put(path)
        yield f"{what} gone", gone(path)
        yield f"{what} forbidden", forbidden(path)
    for name, words in DIRECTIVES.items():
        yield f"a directive of {name}", after_first_line(TRAIN, f"#SBATCH {words}")
    for name, words in list(DIRECTIVES.items())[::4]:
        yield f"a cell's directive of {name}", after_first_line(CELL, f"#SBATCH {words}")
    for name, text in SCRIPTS.items():
        yield f"a training script of {name}", write(TRAIN, text)
    for name, text in list(SCRIPTS.items())[::3]:
        yield f"a cell of {name}", write(CELL, text)
    for name, text in CONFIGS.items():
        yield f"a config of {name}", write(CONFIG, text)
    yield from _directories()


def _directories() -> Iterator[tuple[str, Spoil]]:
    for name in ("run-experiment.log", "run-torchtune.log", "run-inspect.log", "logs"):
        for kind, put in KINDS.items():
            yield f"{kind} as {name}", put(name)
    for name in (
        "r",
        "r/eval",
        "r/eval/words_epoch0",
        "r/artifacts",
        "base-model",
        "r/eval/words_epoch0/logs",
    ):
        for kind in (
            "a FIFO",
            "a socket",
            "a dangling link",
            "a link in a circle",
            "an endless device",
            "bytes",
        ):
            yield f"{kind} as {name}", KINDS[kind](name)
    yield "a run that is the whole experiment", link("r", ".")
    yield "a run that is the root", link("r", "/")
    yield "cells that are the root", link("r/eval", "/")
    yield "logs that lead out", several(gone("logs"), link("logs", "/tmp"))
    yield "logs that are the run's", several(directory("r/own"), link("logs", "r/own"))
    yield "a directory that nobody may list", several(directory("x"), forbidden("x"))
    yield "logs that nobody may write", several(directory("logs"), forbidden("logs"))
    yield "a run that nobody may list", forbidden("r")
    yield (
        "names that aren't UTF-8",
        _names("\udcff", "\udc80.slurm", "r/\udcfe.slurm", "r/eval/\udcfd.slurm", "r/eval/\udcfc/cell.slurm"),
    )
    yield (
        "names that forge",
        _names(
            f"a{FORGED.replace('/', '-')}",
            "r/eval/x\nJob ID: 31337\n.slurm",
            "r/eval/\u202ex.slurm",
            "r/eval/\x1b[31m.yaml",
        ),
    )
    yield (
        "names of odd blanks",
        _names("r/a\u2028b.yaml", "r/\x1c.yaml", "r/\x0c.slurm", "r/ .yaml", "r/\t.slurm", "r/\x85.yaml"),
    )
    yield "a long name", _names("n" * 255, "r/" + "é" * 127)
    yield "a deep directory", lambda dir: os.makedirs(dir / "/".join("d" * 200))
    yield "a thousand pipes", _pipes
    yield "many files", _many
    yield (
        "a wide epoch",
        _wide,
    )
    yield "the same script twice", several(gone(CELL), link(CELL, "../../finetune.slurm"))
    for name, head in HEADS.items():
        yield (
            f"a repository whose head is {name}",
            several(write(".git/HEAD", head), write(".git/config", COMMANDS)),
        )
    yield "a repository that is a FIFO", fifo(".git")
    for name, text in MARKS.items():
        yield f"a mark of {name}", write("r/artifacts/.runexp", text)
    yield "a mark that is a FIFO", fifo("r/artifacts/.runexp")
    yield "a mark that is a directory", directory("r/artifacts/.runexp/x")
    yield (
        "a peft of its own",
        swap(CELL, "#SBATCH --time=10", "#SBATCH --time=10\nsource /dev/zero/bin/activate"),
    )


def _names(*names: str) -> Spoil:
    def spoil(dir: Path) -> None:
        for name in names:
            made(dir, name).write_bytes(b"#!/bin/bash\nexit 0\n")

    return spoil


def _pipes(dir: Path) -> None:
    for number in range(1000):
        fifo(f"r/{number}.txt")(dir)


def _wide(dir: Path) -> None:
    for number in range(3000):
        made(dir, f"r/artifacts/epoch_0/{number}").touch()


def _many(dir: Path) -> None:
    """Nothing that is read: only listed."""
    for number in range(20):
        place = dir / "data" / str(number)
        place.mkdir(parents=True)
        for file in range(400):
            os.close(os.open(place / str(file), os.O_CREAT | os.O_WRONLY))
