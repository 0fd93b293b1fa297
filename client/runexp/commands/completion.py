"""runexp completion: what a shell needs to complete commands, experiments and jobs."""

import click
from click.shell_completion import get_completion_class

from runexp import output

#: bash takes `della:/scratch` apart otherwise.
_WHOLE_WORDS = "COMP_WORDBREAKS=${COMP_WORDBREAKS//:}\n"
#: Several that don't begin as it was typed (two directories for a name that both have) are listed; what was typed stays.
_STAYS = """if (( compstate[nmatches] > 1 )) && [[ "$compstate[unambiguous]" != "$PREFIX"* ]]; then
        compstate[insert]= compstate[list]="list force"
    fi
"""
#: What click's scripts make wrong: bash forgets the clusters where there may be a directory, too, and a path ends after its first step;
#: zsh takes back what was typed.
_MENDED = {
    "bash": {
        "COMPREPLY=()\n            compopt -o dirnames": "compopt -o plusdirs",
        "COMPREPLY+=($value)": "COMPREPLY+=($value)\n            [[ $value != *[:/] ]] || compopt -o nospace",
    },
    "zsh": {
        'completions+=("$key")': '[[ "$key" == *[:/] ]] && compadd -U -S "" -- "$key" || completions+=("$key")',
        "-a completions\n    fi\n": f"-a completions\n    fi\n    {_STAYS}",
    },
    "fish": {},
}


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
    for clicks, ours in _MENDED[shell].items():
        script = script.replace(clicks, ours)
    output.say(_WHOLE_WORDS + script if shell == "bash" else script)
