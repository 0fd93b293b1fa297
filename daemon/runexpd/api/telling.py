"""Notices: who is told of news, and whether it arrives."""

from collections.abc import Sequence

import anyio

from runexp.wire.notices import AddressView, Notices, NoticesReply
from runexp.wire.refusals import Code
from runexpd.api.context import Context
from runexpd.api.refusal import Refusal
from runexpd.hosts.base import HostUnreachable
from runexpd.notices.address import Undelivered, Unusable
from runexpd.notices.delivery import Delivery
from runexpd.notices.rules import Rule

_TITLE, _BODY = "runexp: a test", "If you can read this, news of your experiments will reach you here."


async def notices(context: Context, asked: Notices) -> NoticesReply:
    if context.told is None:
        hint = f"`notify:` in {context.config_path} says who is, then `runexp daemon reload`; the README shows how"
        raise Refusal(Code.UNKNOWN, "nobody is to be notified", hint=hint)
    chosen = _chosen(context.told.deliveries, asked.addresses)
    views: dict[str, AddressView] = {}

    async def look(delivery: Delivery, tells: frozenset[Rule]) -> None:
        views[delivery.name] = await _view(delivery, tells, context, asked.test)

    async with anyio.create_task_group() as tasks:
        for delivery, tells in chosen:
            tasks.start_soon(look, delivery, tells)
    return NoticesReply(addresses=tuple(views[delivery.name] for delivery, _ in chosen))


def _chosen(
    deliveries: Sequence[tuple[Delivery, frozenset[Rule]]], names: tuple[str, ...]
) -> list[tuple[Delivery, frozenset[Rule]]]:
    known = [delivery.name for delivery, _ in deliveries]
    if unknown := [name for name in names if name not in known]:
        raise Refusal(Code.UNKNOWN, f"no address is called {unknown[0]}", hint=f"one of: {', '.join(known)}")
    return [each for each in deliveries if not names or each[0].name in names]


async def _view(delivery: Delivery, tells: frozenset[Rule], context: Context, test: bool) -> AddressView:
    service, trouble = "?", delivery.trouble
    try:
        service = await delivery.sender.kind()
        if test:
            trouble = ""
            await delivery.sender.send(_TITLE, _BODY)
    except (Unusable, Undelivered) as error:
        trouble = str(error)
    except HostUnreachable as error:
        trouble = error.what
    assert context.told is not None
    outbox = context.told.outbox
    return AddressView(
        name=delivery.name,
        service=service,
        tells=tuple(rule.value for rule in Rule if rule in tells),
        waiting=await outbox.ask(lambda: outbox.count(delivery.name)),
        sent_at=delivery.sent_at,
        trouble=trouble,
    )
