"""How a package is added: by whatever made the environment."""

from pathlib import Path

import pytest

from runexp import installing


@pytest.mark.parametrize(
    ("has", "command"),
    [
        ("bin/pip", "'{place}/bin/pip' install 'runexp[web]'"),
        ("pipx_metadata.json", "pipx runpip 'my env' install 'runexp[web]'"),
        ("uv-receipt.toml", "uv pip install --python '{place}' 'runexp[web]'"),
    ],
)
def test_it_is_told_by_what_lies_there(has: str, command: str, tmp_path: Path) -> None:
    place = tmp_path / "my env"
    (place / has).parent.mkdir(parents=True)
    (place / has).touch()
    assert installing.extra("web", place) == command.format(place=place)


def test_unsaid_it_is_this_environment() -> None:
    assert installing.command("inspect-ai").endswith(" inspect-ai")
