"""This machine as a host."""

import pytest

from runexpd.hosts.local import LocalHost


@pytest.fixture
def host() -> LocalHost:
    return LocalHost()
