"""The configuration, read again while the daemon runs."""

import os
from pathlib import Path

from runexp.wire.reloading import Reload, ReloadReply
from runexpd import settings, stopping
from runexpd.api.context import Context
from runexpd.hosts.threads import aside


async def reload(context: Context, asked: Reload) -> ReloadReply:
    """Raises BadExperiment where it can't be meant. What is under way ends as at any restart: see runexpd.daemon.run."""
    await aside(lambda: settings.read(Path(context.config_path)))
    os.kill(os.getpid(), stopping.AGAIN)
    return ReloadReply(started_at=context.started_at)


def is_newer(context: Context) -> bool:
    """Whether somebody has written the configuration since it was read."""
    try:
        return Path(context.config_path).stat().st_mtime > context.started_at
    except OSError:
        return False
