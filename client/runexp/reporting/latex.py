"""Tables for an appendix: a LaTeX fragment that needs booktabs and longtable. Pure."""

import re
from collections.abc import Iterator, Sequence

from runexp import report as words
from runexp.reporting import content as contents
from runexp.reporting import figures, plain, runs, scores, varied
from runexp.reporting.content import Content
from runexp.text import on_one_line

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "…": r"\dots{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_MATH = re.compile(r"(?<![\w.-])[+-]\d+(?:\.\d+)?(?![\w-])")
_MOST_ROWS = 200


def latex(content: Content) -> str:
    return "\n".join(_lines(content)) + "\n"


def escaped(text: str) -> str:
    """Text that TeX prints as it stands; what it can't be trusted to have a glyph for is a question mark."""
    shown = "".join(_SPECIAL.get(character, character) for character in on_one_line(text))
    return "".join(character if character.isascii() or character.isalpha() else "?" for character in shown)


def _number(text: str) -> str:
    """The same, with signs that are minus and plus, not hyphens."""
    return _MATH.sub(lambda sign: f"${sign[0]}$", escaped(text))


def _lines(content: Content) -> Iterator[str]:
    report = content.report
    yield "% \\usepackage[T1]{fontenc} \\usepackage{booktabs,longtable}; columns fit after the second run of LaTeX"
    yield _comment(f"{report.name}: {', '.join(contents.counts(content))}; {contents.when(report)}")
    if report.not_compared:
        yield _comment(report.not_compared)
    for number, table in enumerate(content.tables, start=1):
        yield ""
        yield from _scores(content, table, number)
    if content.runs:
        yield ""
        yield from _runs(content)


def _comment(text: str) -> str:
    return f"% {on_one_line(text)}"


def _scores(content: Content, table: scores.Table, number: int) -> Iterator[str]:
    rows = plain.score_rows(table, best=lambda said: f"\0{said}")
    notes = ". ".join(["The best is bold", *plain.notes(table)])
    caption = f"{content.report.name}. {table.title}. {notes}."
    left = 1 + len(table.varied)
    columns = "l" * left + "r" * (len(rows[0]) - left)
    yield from _longtable(rows, columns, caption, f"tab:scores-{number}")


def _runs(content: Content) -> Iterator[str]:
    header = ["run", *content.varied, "steps", "epochs", "final loss", "wall time", "GPU-hours", "attempts"]
    specs = varied.by_name(content.report.runs)
    rows = [
        [row.run, *varied.cells(specs.get(row.run), content.varied), *_run(row)]
        for row in content.runs[:_MOST_ROWS]
    ]
    columns = "l" * (1 + len(content.varied)) + "r" * 6
    caption = f"{content.report.name}. What the runs took. {_more(len(content.runs))}"
    yield from _longtable([header, *rows], columns, caption.strip(), "tab:runs")


def _run(row: runs.Row) -> list[str]:
    steps = figures.NONE if row.steps is None else str(row.steps)
    epochs = figures.NONE if row.epochs is None else str(row.epochs)
    wall, gpu = words.duration(row.wall), figures.hours(row.gpu)
    return [steps, epochs, figures.loss(row.final_loss), wall, gpu, str(row.attempts)]


def _more(count: int) -> str:
    return f"The first {_MOST_ROWS} of {count}." if count > _MOST_ROWS else ""


def _longtable(rows: Sequence[Sequence[str]], columns: str, caption: str, label: str) -> Iterator[str]:
    header, *body = rows
    yield "\\begingroup\\small"
    yield f"\\begin{{longtable}}{{@{{}}{columns}@{{}}}}"
    yield f"\\caption{{{_number(caption)}}}\\label{{{label}}}\\\\"
    yield "\\toprule"
    yield f"{' & '.join(map(escaped, header))} \\\\"
    yield "\\midrule"
    yield "\\endhead"
    for row in body:
        yield f"{' & '.join(map(_cell, row))} \\\\"
    yield "\\bottomrule"
    yield "\\end{longtable}"
    yield "\\endgroup"


def _cell(text: str) -> str:
    if text.startswith("\0"):
        return f"\\textbf{{{_number(text[1:])}}}"
    return _number(text)
