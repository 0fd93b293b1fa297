"""Doctor: a cluster looked over, from the connection to the limits of its queue."""

from runexp.wire import requests
from runexp.wire.refusals import Code
from runexp.wire.views import Check, Verdict
from runexpd.api.context import Context
from runexpd.api.refusal import Refusal
from runexpd.core.state import Limits
from runexpd.hosts.base import HostUnreachable


async def doctor(context: Context, asked: requests.Doctor) -> requests.DoctorReply:
    cluster = context.clusters.get(asked.cluster)
    if cluster is None:
        known = ", ".join(sorted(context.clusters))
        hint = f"clusters: {known}; others are added in {context.config_path}"
        raise Refusal(Code.UNKNOWN, f"no cluster is called {asked.cluster}", hint=hint)
    look_over = context.doctors.get(asked.cluster)
    checks = list(await look_over()) if look_over else []
    if not any(check.verdict is Verdict.BAD for check in checks):
        limits = context.loop.state.limits.get(asked.cluster, Limits())
        try:
            checks += await cluster.examine(limits.max_submit)
        except HostUnreachable as error:
            checks.append(Check(name="commands", verdict=Verdict.BAD, found=error.what))
    return requests.DoctorReply(cluster=asked.cluster, checks=tuple(checks))
