"""The combined summary as a page of its own: one HTML file that loads nothing. Pure."""

from html import escape

from markdown_it import MarkdownIt

from runexp import report as summary
from runexp.wire.views import Report

#: Only what the summary is made of: a link, an image or HTML in somebody's error message stays text.
_MARKUP = MarkdownIt("zero", {"breaks": True}).enable(["heading", "list", "table", "emphasis", "newline"])

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h3 { margin-top: 2rem; border-bottom: 1px solid #8886; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #8886; padding: .25rem .75rem; text-align: left; }
li { margin: .15rem 0; }
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}</body>
</html>"""


def html(report: Report) -> str:
    """For a browser, or to send to somebody."""
    return _PAGE.format(
        title=escape(f"{report.name}: {report.outcome or 'under way'}"),
        style=_STYLE,
        body=_MARKUP.render(summary.markdown(report)),
    )
