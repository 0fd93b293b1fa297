"""Scripts and styles: this package's own, and plotly's from its package. Read and packed once; nothing is loaded from elsewhere."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
OWN = ("page.css", "page.js", "login.js", "charts.js", "output.js", "plotly.css", "icon.svg")
PLOTLY = "plotly.min.js"


@dataclass(frozen=True)
class File:
    type: str
    plain: bytes
    packed: bytes
    #: Of what is in it: an address with this is good for ever.
    version: str


Files = Mapping[str, File]


@cache
def load() -> Files:
    """Takes a fifth of a second. Raises ImportError where plotly is missing."""
    here = resources.files("runexpd.web") / "static"
    own = {name: _file(name, (here / name).read_bytes()) for name in OWN}
    plotly = resources.files("plotly") / "package_data" / PLOTLY
    return {**own, PLOTLY: _file(PLOTLY, plotly.read_bytes())}


def _file(name: str, data: bytes) -> File:
    kind = _TYPES["." + name.rpartition(".")[2]]
    return File(kind, data, gzip.compress(data, 6, mtime=0), hashlib.sha256(data).hexdigest()[:12])
