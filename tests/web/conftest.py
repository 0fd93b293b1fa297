"""A page for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runexpd.settings import Web
from web.site import Client, Site


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "page.json"


@pytest.fixture
def settings() -> Web:
    return Web()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, kept: Path, settings: Web) -> Iterator[Site]:
    made = Site()
    made.install(monkeypatch)
    monkeypatch.setattr("runexpd.web.server.PORT", 0)  # the usual one may be somebody's
    with made.served(settings, kept):
        yield made


@pytest.fixture
def client(site: Site) -> Client:
    """Logged in."""
    return site.client()
