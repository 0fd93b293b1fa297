"""runexp login: answer a server's questions, so that the daemon has its connection."""

from collections.abc import Sequence

import click

from runexp import connection, output
from runexp.commands import arguments
from runexp.wire import requests


@click.command()
@arguments.cluster
@arguments.as_json
def login(cluster: str, as_json: bool) -> None:
    """Log in to CLUSTER where a person is needed: a password, a one-time code, a push to your telephone.

    The server's questions are shown here, and your answers handed on; nothing that you type is kept or logged. The daemon
    then holds the connection, and asks again only when it is lost.

    \b
    Example:  runexp login della
    """
    with output.errors(as_json):
        done = connection.log_in(cluster, _ask)
        if as_json:
            output.json(done)
        else:
            output.say(f"{done.cluster}: {done.status}")


def _ask(asked: requests.Asked) -> Sequence[str] | None:
    for text in (asked.title, asked.instructions):
        if text.strip():
            output.note(text.strip())
    try:
        return [_answer(question) for question in asked.questions]
    except click.Abort:
        return None


def _answer(question: requests.Question) -> str:
    prompt = output.clean(question.text)
    answer: str = click.prompt(
        prompt, prompt_suffix="", default="", show_default=False, hide_input=not question.echo, err=True
    )
    return answer
