"""Doctor: a cluster looked over, from the connection to the limits of its queue."""

from runexp.wire import requests
from runexp.wire.views import Check, Verdict
from runexpd.api import find
from runexpd.api.context import Context
from runexpd.core.state import Limits
from runexpd.hosts.base import HostUnreachable


async def doctor(context: Context, asked: requests.Doctor) -> requests.DoctorReply:
    cluster = find.cluster(context, asked.cluster)
    look_over = context.doctors.get(asked.cluster)
    checks = list(await look_over()) if look_over else []
    if not any(check.verdict is Verdict.BAD for check in checks):
        limits = context.loop.state.limits.get(asked.cluster, Limits())
        try:
            checks += await cluster.examine(limits.max_submit)
        except HostUnreachable as error:
            checks.append(Check(name="commands", verdict=Verdict.BAD, found=error.what))
    return requests.DoctorReply(cluster=asked.cluster, checks=tuple(checks))
