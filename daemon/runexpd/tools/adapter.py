"""What a directory with adapter weights alone says about itself: whose base model they are applied to. Pure."""

import json

from runexpd.hosts.base import Part
from runexpd.tools import questions

CONFIG = "adapter_config.json"
#: What transformers and peft load.
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
#: torchtune's, for resuming; and all that there is where it knows no other format for a model.
OWN = "adapter_model.pt"
MOST_CONFIG_BYTES = 1024 * 1024


class NoAdapter(Exception):
    """Raised when an adapter's config isn't one."""


def base_path(config: Part) -> str | None:
    """Where the base model is, by its absolute path; None where it goes by a name or isn't named. Raises NoAdapter."""
    if config.fact.size_bytes > len(config.data):
        raise NoAdapter(f"{config.fact.size_bytes} bytes are too many")
    try:
        document = json.loads(config.data)
    except (ValueError, RecursionError) as error:
        raise NoAdapter(str(error)) from None
    if not isinstance(document, dict):
        raise NoAdapter("no object")
    base = document.get("base_model_name_or_path")
    if not isinstance(base, str) or not base.startswith("/"):
        return None
    if not questions.askable(base):
        raise NoAdapter("base_model_name_or_path is no path that can be")
    return base
