"""torchtune's config and command line: where checkpoints go, how many epochs. Pure; OmegaConf resolves `${...}`, no torch."""

import re
from collections.abc import Sequence
from posixpath import join, normpath
from typing import Any

import msgspec

from runexpd.experiments import documents
from runexpd.experiments.problems import BadExperiment
from runexpd.tools import adapter, interpolation, questions, scripts

CONFIG = "finetune.yaml"
#: What can be looked for.
MOST_EPOCHS = 10_000
#: A larger count is a mistake of somebody's, and no JSON.
_MOST_COUNT = 10**9
#: `key=value`; not what the shell has still to say.
_OVERRIDE = re.compile(r"[A-Za-z_][\w.]{0,200}=[^$`]*")
_PACE = (
    "model._component_", "batch_size", "dtype", "device", "compile", "enable_activation_checkpointing",
    "enable_activation_offloading", "dataset._component_", "dataset.packed", "tokenizer.max_seq_len",
)  # fmt: skip
#: Which save adapters in torchtune's own format alone: checkpointers, and models whose adapters peft doesn't know.
_OWN_CHECKPOINTERS = ("FullModelTorchTuneCheckpointer", "FullModelMetaCheckpointer")
_WITHOUT_PEFT = ("PHI3_MINI", "PHI4", "LLAMA3_VISION")
_REMOVED = re.compile(r"~[A-Za-z_][\w.]{0,200}(=.*)?", re.DOTALL)


class Invocation(msgspec.Struct, frozen=True):
    """`tune run RECIPE --config CONFIG key=value...` in a script."""

    config: str = CONFIG
    overrides: tuple[str, ...] = ()


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """What a config says, as far as it matters here. Paths are absolute."""

    output_dir: str | None = None
    log_dir: str | None = None
    epochs: int | None = None
    #: Epochs whose checkpoint is kept, where a recipe has such a choice; None: all.
    epochs_to_save: tuple[int, ...] | None = None
    batch_size: int | None = None
    gradient_accumulation_steps: int | None = None
    log_every_n_steps: int | None = None
    #: It goes on where an earlier training stopped, whose epochs count, too.
    resumes: bool = False
    #: Files of weights that make an epoch of adapters.
    adapters: tuple[str, ...] = adapter.WEIGHTS
    #: What decides how many tokens a second it makes: runs that say the same here should be as fast.
    pace: str = ""


def invocation(script: str) -> Invocation:
    """How a script calls torchtune; the defaults where it can't be told."""
    for words in scripts.commands(script, "tune"):
        if "tune" in (word.rpartition("/")[2] for word in words) and "run" in words:
            config = scripts.option(words, "--config")
            overrides = tuple(w for w in words if _OVERRIDE.fullmatch(w) or _REMOVED.fullmatch(w))
            return Invocation(config or CONFIG, overrides)
    return Invocation()


def read(text: str, where: str, workdir: str, overrides: Sequence[str] = ()) -> Training:
    """A config's meaning. Raises BadExperiment for one that isn't YAML, or whose interpolations lead nowhere."""
    config = _Config(document(text, where, overrides), where)
    output_dir = config.needed("checkpointer.output_dir") or config.needed("output_dir")
    save = config.get("epochs_to_save")
    return Training(
        output_dir=_path(output_dir, workdir, f"{where}: output_dir"),
        log_dir=_path(config.get("metric_logger.log_dir"), workdir, f"{where}: metric_logger.log_dir"),
        epochs=_count(config.needed("epochs")),
        epochs_to_save=_epochs(save) if isinstance(save, list) else None,
        batch_size=_count(config.get("batch_size")),
        gradient_accumulation_steps=_count(config.get("gradient_accumulation_steps")),
        log_every_n_steps=_count(config.get("log_every_n_steps")),
        resumes=config.get("resume_from_checkpoint") is True,
        adapters=_adapters(config),
        pace=_pace(config),
    )


def _adapters(config: "_Config") -> tuple[str, ...]:
    component, model_type = (config.get(f"checkpointer.{key}") for key in ("_component_", "model_type"))
    is_own = str(component).endswith(_OWN_CHECKPOINTERS) or str(model_type).startswith(_WITHOUT_PEFT)
    return (*adapter.WEIGHTS, adapter.OWN) if is_own else adapter.WEIGHTS


def _pace(config: "_Config") -> str:
    def shown(key: str) -> str:
        try:
            return questions.line(str(config.get(key)), 60)
        except BadExperiment:
            return "?"

    return " ".join(map(shown, _PACE))


def document(text: str, where: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """A config with what the command line says otherwise. Raises BadExperiment."""
    return _overridden(_mapping(text, where), overrides)


class _Config(msgspec.Struct):
    document: dict[str, Any]
    where: str

    def get(self, key: str) -> Any:
        """A value, resolved; None also where only the job knows it. Raises BadExperiment."""
        try:
            return interpolation.value(self.document, key)
        except interpolation.OnlyTheJobKnows:
            return None
        except interpolation.Unresolved:
            return self.needed(key)

    def needed(self, key: str) -> Any:
        """A value, resolved. Raises BadExperiment."""
        try:
            return interpolation.value(self.document, key)
        except interpolation.Unresolved as why:
            what = f"bad torchtune config: {why}"
            raise BadExperiment(
                what, f"{self.where}: {key}", "mend the config, or write the value out"
            ) from None


def _mapping(text: str, where: str) -> dict[str, Any]:
    parsed = documents.plain(text, where)
    if not isinstance(parsed, dict):
        raise BadExperiment(
            "a torchtune config is a mapping of keys to values", where, "write it as `tune cp` does"
        )
    return {str(key): value for key, value in parsed.items()}


def _overridden(document: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    for override in overrides:
        removed = override.startswith("~")
        key, _, value = override.removeprefix("~").partition("=")
        document = _with(document, key.split("."), None if removed else _value(value))
    return document


def _value(text: str) -> Any:
    try:
        return documents.plain(text, "") if len(text) <= interpolation.MOST_CHARACTERS else None
    except BadExperiment:
        return text


def _with(document: dict[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """A copy with a value at a path."""
    key, below = path[0], path[1:]
    inner = document.get(key)
    return {
        **document,
        key: _with(inner if isinstance(inner, dict) else {}, below, value) if below else value,
    }


def _path(value: object, workdir: str, where: str) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    path = normpath(join(workdir, value))
    if not questions.askable(path):
        raise BadExperiment(f"no path that can be: {questions.line(path, 100)}", where, "mend the config")
    return path


def _count(value: object) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= _MOST_COUNT else None  # type: ignore[operator, return-value]


def _epochs(values: Sequence[object]) -> tuple[int, ...] | None:
    counts = [count for count in map(_count, values) if count is not None]
    return tuple(sorted(set(counts))) or None
