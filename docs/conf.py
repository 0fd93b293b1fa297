"""Sphinx's settings: the site and the manual pages, of what `python -m reference` has put together. See `make docs`."""

project = "runexp"
copyright = "the maintainers of runexp"
root_doc = "docs/index"
extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "runexp"
html_show_sourcelink = False
html_copy_source = False
highlight_language = "text"  # most blocks are shell, with comments of more than a shell's
