"""runexp schema: the shape of experiment_summary.yaml, for editors."""

from pathlib import Path

import click

from runexp import output
from runexp.scaffolding import own


@click.command()
@click.option(
    "-o",
    "--output",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it there, where nothing is yet.",
)
def schema(path: Path | None) -> None:
    """Print the JSON schema of experiment_summary.yaml, with which an editor completes and checks it while you type.

    An editor with yaml-language-server reads it where the summary's first line is
    `# yaml-language-server: $schema=experiment_summary.schema.json`; `runexp init` writes both.

    \b
    Example:  runexp schema -o exp7/experiment_summary.schema.json
    """
    with output.errors():
        if path is None:
            output.raw(own.SCHEMA.read_text())
            return
        with path.open("x") as file:
            file.write(own.SCHEMA.read_text())
        output.note(output.one_line(f"written: {path}"))
