"""What the pages work with."""

from dataclasses import dataclass, field

import anyio

from runexpd.api.context import Context
from runexpd.web.assets import Files
from runexpd.web.keys import Keys
from runexpd.web.policy import Policy
from runexpd.web.rendering import Renderer


@dataclass(frozen=True)
class Desk:
    context: Context
    policy: Policy
    keys: Keys
    files: Files
    renderer: Renderer
    #: Set when the page ends: streams wait for this, too.
    closing: anyio.Event = field(default_factory=anyio.Event)
