"""What is chosen of an experiment otherwise, while it runs or before it runs again."""

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
    try:
        await context.loop.tell(SettingWanted(experiment=experiment.id, typed=asked.settings))
    except NotTaken as error:
        raise Refusal(Code.INTERNAL, f"nothing was changed: {error.what}", hint=error.hint) from error
    policy = asked.settings.put_into(experiment.policy)
    return SetReply(experiment=experiment.id, name=experiment.name, policy=policy)
