"""Warns of adapters that would be applied twice.

A LoRA run's epoch holds the merged model and, beside it, adapter_config.json. Where `peft` can be imported, transformers
loads the merged model and then the adapter on top: silently wrong scores.
"""

from collections.abc import Sequence

from runexpd.hosts.base import Files


async def warnings(files: Files, directories: Sequence[str], environments: Sequence[str]) -> list[str]:
    """A line for each environment with peft, if any of the checkpoints has an adapter's config beside its shards."""
    found = []
    for environment in environments:
        if await _has_peft(files, environment) and await _any_adapter(files, directories):
            found.append(
                f"{environment} has peft: it applies adapter_config.json on top of the merged weights, and scores "
                "come out wrong; uninstall peft, or move adapter_* out of the epoch's directory"
            )
    return found


async def _has_peft(files: Files, environment: str) -> bool:
    for library in await files.list(f"{environment}/lib"):
        if await files.stat(f"{library.path}/site-packages/peft/__init__.py"):
            return True
    return False


async def _any_adapter(files: Files, directories: Sequence[str]) -> bool:
    for directory in directories:
        if await files.stat(f"{directory}/adapter_config.json"):
            return True
    return False
