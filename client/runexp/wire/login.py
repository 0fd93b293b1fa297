"""Logging in with a person's help, as it is spoken."""

import msgspec


class Login(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type"):
    """Log in to a cluster with a person's help. The daemon sends `Asked`, each answered by `Answers`, then `LoggedIn`."""

    cluster: str


class Question(msgspec.Struct, frozen=True):
    text: str
    #: False: what is typed must not be shown.
    echo: bool


class Asked(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type"):
    """A server's questions, to be shown together; with none, only something to read."""

    title: str
    instructions: str
    questions: tuple[Question, ...]


class Answers(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type"):
    """An answer a question; None: the person gives up. Never kept, never logged."""

    answers: tuple[str, ...] | None


class LoggedIn(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type"):
    cluster: str
    #: How the connection stands, in words.
    status: str
