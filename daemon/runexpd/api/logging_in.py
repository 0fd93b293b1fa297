"""Login: a server's questions to the person at the client, and the answers back. Nothing of them is kept or logged."""

from collections.abc import Awaitable, Callable, Sequence

from runexp.wire import requests
from runexp.wire.refusals import Code
from runexpd.api.context import Context
from runexpd.api.refusal import Refusal
from runexpd.hosts.base import HostUnreachable
from runexpd.hosts.link import Prompts

Say = Callable[[requests.Reply], Awaitable[None]]
Hear = Callable[[], Awaitable[requests.Request]]


async def login(context: Context, asked: requests.Login, say: Say, hear: Hear) -> None:
    link = context.links.get(asked.cluster)
    if link is None:
        known = ", ".join(context.links) or "none"
        hint = f"clusters that are reached over SSH: {known}; others are added in {context.config_path}"
        raise Refusal(Code.UNKNOWN, f"no cluster behind SSH is called {asked.cluster}", hint=hint)

    async def relay(prompts: Prompts) -> Sequence[str] | None:
        questions = tuple(requests.Question(prompt.text, prompt.echo) for prompt in prompts.prompts)
        await say(requests.Asked(title=prompts.title, instructions=prompts.instructions, questions=questions))
        if not questions:
            return ()
        heard = await hear()
        return heard.answers if isinstance(heard, requests.Answers) else None

    try:
        await link.login(relay)
    except HostUnreachable as error:
        raise Refusal(Code.UNREACHABLE, error.what, hint="nothing was kept; try again") from None
    await say(requests.LoggedIn(cluster=asked.cluster, status="connected"))
