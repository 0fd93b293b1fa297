"""runexp completion: what a shell needs to complete commands, experiments and jobs."""

import click
from click.shell_completion import get_completion_class

from runexp import output

#: bash takes `della:/scratch` apart otherwise.
_WHOLE_WORDS = "COMP_WORDBREAKS=${COMP_WORDBREAKS//:}\n"
#: click has bash forget the clusters where there may be a directory, too.
_EITHER = "COMPREPLY=()\n            compopt -o dirnames"
_BOTH = "compopt -o plusdirs"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    Example:  runexp completion bash >~/.local/share/bash-completion/completions/runexp
    """
    root = context.find_root().command
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(root, {}, "runexp", "_RUNEXP_COMPLETE").source()
    output.say(_WHOLE_WORDS + script.replace(_EITHER, _BOTH) if shell == "bash" else script)
