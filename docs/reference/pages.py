"""All pages of the reference, by the names of their files."""

from reference import addresses, commands, configuration, happenings, layout, logs, words

MADE = {
    "configuration": configuration.page,
    "states": words.of_states,
    "failures": words.of_failures,
    "exit-codes": words.of_exits,
    "events": happenings.page,
    "addresses": addresses.page,
    "logs": logs.page,
}


def all() -> dict[str, str]:
    """Markdown by file name, without `.md`."""
    described = {name: layout.markdown(make()) for name, make in MADE.items()}
    called = {each.page: commands.markdown(each) for each in commands.all()}
    return {"commands": commands.contents(), **described, **called}
