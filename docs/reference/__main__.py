"""python -m reference ROOT OUT     ROOT: the project; OUT gets what Sphinx makes the site and the manual pages of"""

import sys
from pathlib import Path

from reference.staging import stage

stage(Path(sys.argv[1]), Path(sys.argv[2]))
