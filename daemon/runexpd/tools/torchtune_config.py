"""torchtune's config and command line: where checkpoints go, how many epochs. Pure; OmegaConf resolves `${...}`, no torch."""

import re
from posixpath import join, normpath
from typing import Any

import msgspec
import yaml

from runexpd.experiments.problems import BadExperiment
from runexpd.tools import scripts


class Invocation(msgspec.Struct, frozen=True):
    """`tune run RECIPE --config CONFIG key=value...` in a script."""

    config: str = "finetune.yaml"
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


def invocation(script: str) -> Invocation:
    """How a script calls torchtune; the defaults where it can't be told."""
    for words in scripts.commands(script):
        if "tune" in (word.rpartition("/")[2] for word in words) and "run" in words:
            config = scripts.option(words, "--config")
            overrides = tuple(w for w in words if re.fullmatch(r"~?[A-Za-z_][\w.]*=[^$`]*", w))
            return Invocation(config or "finetune.yaml", overrides)
    return Invocation()


def read(text: str, where: str, workdir: str, overrides: tuple[str, ...] = ()) -> Training:
    """A config's meaning. Raises BadExperiment for one that isn't YAML, or whose interpolations lead nowhere."""
    document = resolved(text, where, overrides)
    checkpointer, logger = document.get("checkpointer"), document.get("metric_logger")
    output_dir = checkpointer.get("output_dir") if isinstance(checkpointer, dict) else None
    output_dir = output_dir or document.get("output_dir")
    log_dir = logger.get("log_dir") if isinstance(logger, dict) else None
    save = document.get("epochs_to_save")
    return Training(
        output_dir=_path(output_dir, workdir),
        log_dir=_path(log_dir, workdir),
        epochs=_count(document.get("epochs")),
        epochs_to_save=tuple(e for e in save if isinstance(e, int)) if isinstance(save, list) else None,
        batch_size=_count(document.get("batch_size")),
        gradient_accumulation_steps=_count(document.get("gradient_accumulation_steps")),
    )


def resolved(text: str, where: str, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """The document with overrides applied and every `${...}` resolved that can be. Raises BadExperiment."""
    # Imported here: it costs 80 ms, and a client of the daemon may only want its state.
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        parsed = yaml.safe_load(text)
        if not isinstance(parsed, dict):
            raise BadExperiment("a torchtune config is a mapping of keys to values", where)
        config = OmegaConf.merge(
            OmegaConf.create(parsed), OmegaConf.from_dotlist([o for o in overrides if not o.startswith("~")])
        )
        document = OmegaConf.to_container(config, resolve=True)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where
        raise BadExperiment(f"not YAML: {error.problem or error}", place, "mend the config") from None
    except (yaml.YAMLError, OmegaConfBaseException, ValueError) as error:
        raise BadExperiment(
            f"bad torchtune config: {str(error).splitlines()[0]}", where, "mend the config"
        ) from None
    assert isinstance(document, dict)
    return {str(key): value for key, value in document.items()}


def _path(value: object, workdir: str) -> str | None:
    return normpath(join(workdir, value)) if isinstance(value, str) and value else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
