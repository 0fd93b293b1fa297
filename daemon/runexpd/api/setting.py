"""What is chosen of an experiment otherwise, while it runs or before it runs again."""

import msgspec

from runexp.wire.refusals import Code
from runexp.wire.settings import Set, SetReply
from runexpd.api import find
from runexpd.api.context import Context
from runexpd.api.refusal import Refusal
from runexpd.core.observations import SettingWanted
from runexpd.runtime.loop import NotTaken


async def set(context: Context, asked: Set) -> SetReply:
    """Raises Refusal."""
    experiment = await find.experiment(context, asked.experiment)
    typed = {
        name: value
        for name in asked.settings.__struct_fields__
        if (value := getattr(asked.settings, name)) is not msgspec.UNSET
    }
    policy = msgspec.structs.replace(experiment.policy, **typed)
    try:
        await context.loop.tell(SettingWanted(experiment=experiment.id, policy=policy))
    except NotTaken as error:
        raise Refusal(Code.INTERNAL, f"nothing was changed: {error.what}", hint=error.hint) from error
    return SetReply(experiment=experiment.id, name=experiment.name, policy=policy)
