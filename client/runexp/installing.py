"""How a package is added to an environment, as a command that can be typed there: pipx and uv leave pip out of theirs."""

import shlex
import sys
from pathlib import Path


def extra(name: str, environment: Path | None = None) -> str:
    """The command that adds one of runexp's extras, such as `web`, to an environment; None: to this one."""
    return command(f"runexp[{name}]", environment)


def command(package: str, environment: Path | None = None) -> str:
    """The command that adds a package, as pip names it, to the virtual environment in that directory."""
    place = Path(sys.prefix) if environment is None else environment
    return f"{_installer(place)} {shlex.quote(package)}"


def _installer(place: Path) -> str:
    if (place / "pipx_metadata.json").exists():
        return f"pipx runpip {shlex.quote(place.name)} install"
    if (pip := place / "bin" / "pip").exists():
        return f"{shlex.quote(str(pip))} install"
    return f"uv pip install --python {shlex.quote(str(place))}"
