"""`inspect eval` in a script, as far as it matters here: where its logs go, and of which model they are. Pure."""

import re
from collections.abc import Mapping, Sequence
from itertools import dropwhile
from posixpath import join, normpath

import msgspec

from runexpd.experiments import documents
from runexpd.experiments.problems import BadExperiment
from runexpd.tools import scripts

_LOG_DIR = re.compile(r"""[ \t]*(?:export[ \t]+)?INSPECT_LOG_DIR=["']?([^"'\s;&|]+)""")
_BASH = re.compile(r"#![ \t]*/\S{0,200}/(?:env[ \t]+)?bash\b")
#: What may run a line more than once.
_AROUND = re.compile(r"^[ \t]*(?:(?:for|while|until|select|function)\b|[\w-]{1,100}[ \t]*\(\))", re.MULTILINE)
_ASSIGNED = re.compile(r"[A-Za-z_]\w{0,99}=.*", re.DOTALL)


class Call(msgspec.Struct, frozen=True):
    log_dir: str | None = None
    model: str | None = None


def read(script: str, runs_in: str, texts: Mapping[str, str]) -> Call:
    """`texts`: of the experiment, by path; a file that `--run-config` names may be among them, and says what options don't."""
    calls = [words for words in scripts.commands(script, "eval") if "eval" in words]
    lines = (match[1] for line in scripts.expanded(script) if (match := _LOG_DIR.match(line)))
    log_dir = _option(calls, "--log-dir") or next((path for path in lines if "$" not in path), None)
    config = _option(calls, "--run-config")
    text = texts.get(normpath(join(runs_in, config)), "") if config else ""
    return Call(log_dir, _option(calls, "--model") or _model(text))


def alone(script: str) -> list[str] | None:
    """The words of the one `inspect eval` that a bash script runs, once, as a command of its own; None where it isn't so."""
    calls = [
        words
        for words in scripts.commands(script, "inspect")
        if {"eval", "eval-set", "eval-retry"} & {*words}
    ]
    if len(calls) != 1 or not _BASH.match(script) or _AROUND.search(script):
        return None
    words = list(dropwhile(_ASSIGNED.fullmatch, calls[0]))
    return words if words[:2] == ["inspect", "eval"] and words.count("inspect") == 1 else None


def _option(calls: Sequence[list[str]], name: str) -> str | None:
    return next(filter(None, (scripts.option(words, name) for words in calls)), None)


def _model(run_config: str) -> str | None:
    """`model: hf/x`, or `model: {model: hf/x, args: ...}`; None where it is neither."""
    try:
        document = documents.plain(run_config, "") if run_config else None
    except BadExperiment:
        return None
    model = document.get("model") if isinstance(document, dict) else None
    named = model.get("model") if isinstance(model, dict) else model
    return named if isinstance(named, str) else None
