"""Sphinx's settings: the site and the manual pages, of what `python -m reference` has put together. See `make docs`."""

from reference import commands
from runexp import __version__

project = "runexp"
version = release = __version__
copyright = "the maintainers of runexp"
root_doc = "docs/index"
extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "runexp"
html_show_sourcelink = False
html_copy_source = False
smartquotes = False  # `--` is no dash
man_pages = commands.manual()
highlight_language = "text"  # most blocks are shell, with comments of more than a shell's
