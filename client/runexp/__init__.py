"""runexp: the thin client, and the types that it and the daemon speak. `from runexp import connect` is where Python begins."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runexp.library import Client, Experiment, connect

__version__ = "0.2.0"
__all__ = ["Client", "Experiment", "__version__", "connect"]


def __getattr__(name: str) -> Any:
    """Imported when it is asked for: commands need none of it."""
    if name not in __all__:
        raise AttributeError(f"module 'runexp' has no attribute {name!r}")
    from runexp import library

    return getattr(library, name)
