"""sbatch, squeue, sacct, scancel, scontrol and sinfo, as far as runexp asks them. Jobs run for real, as plain processes.

Texts, exit codes and tables are those of Slurm 22.05. Faults, by command, in `faults`:

    sbatch   lost (submits, then `Socket timed out`), timeout (the same without submitting), limit, down, killed (dies
             by SIGKILL after submitting), early (dies before), drain, wait (as with --wait, of a job that failed),
             wordless (submits, and says nothing)

Of its QOSes `deny` takes no job of more than two tasks, `one` takes one job at a time, and `unnamed` refuses as a site's own
plugin does. As the real ones, they take wishes from the environment: SBATCH_ARRAY_INX, SBATCH_WAIT, SBATCH_OUTPUT, SBATCH_TIMELIMIT,
SBATCH_CLUSTERS, SQUEUE_PARTITION, SQUEUE_USERS, SCANCEL_PARTITION, SLURM_CLUSTERS.
    squeue   down, empty (an answer, with nothing in it)
    sacct    down, stub, no-end, disabled, no-submit-line

They are started by the thousand: what takes longer to import than an interpreter to start is imported where it is needed, and
what is kept is in the interpreter's own format.
"""

import fcntl
import marshal
import os
import pwd
import sys
import time

USER = pwd.getpwuid(os.getuid()).pw_name
#: A node, and the machine that it is.
NODE, HOST = "node01", "host01"
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")


def sbatch(dir, fault, argv):
    import shlex

    token_path, options = (argv[-1], argv[:-1]) if argv and argv[-1][0] != "-" else (_input(dir), argv)
    if fault == "early":
        _die()
    _refuse(fault)
    try:
        script = _read(token_path)
    except OSError:
        fail(f"sbatch: error: Unable to open file {token_path}")
    if not script.startswith("#!"):
        fail(
            "sbatch: error: This does not look like a batch script.  The first\nsbatch: error: line must start with "
            "#! followed by the path to an interpreter.\nsbatch: error: For instance: #!/bin/sh"
        )
    directives = dict(_directives(script)) | dict(_words(options))
    if directives.get("partition", "main") != "main":
        fail(
            f"sbatch: error: invalid partition specified: {directives['partition']}\n"
            "sbatch: error: Batch job submission failed: Invalid partition name specified"
        )
    _limit(dir, directives)
    with jobs(dir) as known:
        id = str(len(known) + 1)
        usual = os.path.join(os.getcwd().replace("%", "%%"), f"slurm-{id}.out")
        directives["output"] = os.environ.get("SBATCH_OUTPUT", directives.get("output", usual))
        known[id] = {
            "id": id,
            "name": directives.get("job-name", os.path.basename(token_path)),
            "state": "PENDING",
            "reason": "JobHeldUser" if "hold" in directives else "None",
            "command": "(null)" if token_path.endswith(".input") else token_path,
            "submit_line": shlex.join(["sbatch", *argv]),
            "exit": "0:0",
            "workdir": os.path.join(os.getcwd(), directives.get("chdir", "")).rstrip("/"),
            "submitted": int(time.time()),
            "limit": os.environ.get("SBATCH_TIMELIMIT", directives.get("time", "UNLIMITED")),
            "gpus": directives.get("gres", "gpu:0").split(":")[-1],
            "qos": directives.get("qos", "normal"),
            "cpu": 0.0,
            "memory": 0,
            "start": None,
            "end": None,
            "pid": None,
        }
    if "SBATCH_ARRAY_INX" in os.environ:
        _start(dir, id, token_path, directives)
    if "hold" not in directives:
        _start(dir, id, token_path, directives)
    if fault == "killed":
        _die()
    if fault == "lost":
        fail("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation")
    _print(id, fault, directives)


def _die():
    """With whoever asked."""
    for each in (os.getppid(), os.getpid()):
        os.kill(each, 9)


def _print(id, fault, directives):
    if fault == "wait" or "SBATCH_WAIT" in os.environ:
        print(id, flush=True)
        sys.exit(7)
    if fault != "wordless":
        print(id if "parsable" in directives else f"Submitted batch job {id}")


def _input(dir):
    """A script that comes on the input: Slurm's word for its path is `(null)`."""
    path = f"{dir}/{time.time_ns()}.input"
    _write(path, sys.stdin.read())
    return path


POLICY = (
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size "
    "and/or time limits)"
)


def _refuse(fault):
    """Before anything of a job is looked at."""
    if fault in ("limit", "down", "timeout", "drain"):
        fail({
            "drain": "sbatch: error: Batch job submission failed: Required partition not available (inactive or drain)",
            "limit": f"sbatch: error: AssocMaxSubmitJobLimit\n{POLICY}",
            "down": "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
            "timeout": "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        }[fault])  # fmt: skip
    if "SLURM_CLUSTERS" in os.environ or "SBATCH_CLUSTERS" in os.environ:
        fail("sbatch: error: No cluster 'other' known by database.")


def _limit(dir, directives):
    qos = directives.get("qos")
    with jobs(dir) as known:
        taken = any(job["qos"] == qos and job["state"] not in ENDED for job in known.values())
    if qos == "deny" and int(directives.get("ntasks", 1)) > 2:
        fail(f"sbatch: error: QOSMaxCpuPerJobLimit\n{POLICY}")
    if qos == "one" and taken:
        fail(f"sbatch: error: QOSMaxSubmitJobPerUserLimit\n{POLICY}")
    if qos == "unnamed":
        fail(f"sbatch: error: ask for less\n{POLICY}")


def _start(dir, id, script, directives):
    """In a session of its own: run the script as it is now, note its end."""
    kept = f"{dir}/{id}.script"
    _write(kept, _read(script))
    if os.fork():
        return
    import resource
    import subprocess

    os.setsid()
    output = _printed_to(id, directives, "output")
    error = _printed_to(id, directives, "error") if "error" in directives else output
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    environment = {**os.environ, "SLURM_JOB_ID": id, "SLURM_SUBMIT_DIR": os.getcwd()}
    environment["SLURM_JOB_NAME"] = directives.get("job-name", os.path.basename(script))
    with open(output, "wb") as out, open(error, "ab") as err:
        job = subprocess.Popen(["bash", kept], stdout=out, stderr=err, env=environment)
    with jobs(dir) as known:
        known[id] |= {"state": "RUNNING", "start": int(time.time()), "pid": job.pid}
    code = job.wait()
    with jobs(dir) as known:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        ended = {"end": int(time.time()), "exit": f"{max(code, 0)}:{max(-code, 0)}"}
        ended |= {"cpu": used.ru_utime + used.ru_stime, "memory": used.ru_maxrss}
        if known[id]["state"] != "CANCELLED":
            ended["state"] = "FAILED" if code else "COMPLETED"
        else:
            ended["exit"] = "0:15"
        known[id] |= ended
    os._exit(0)


def _printed_to(id, directives, option):
    """The whole path is a pattern, and its directory is made, as from 24.11 on."""
    import re

    words = {"%j": id, "%x": directives.get("job-name", ""), "%u": USER, "%N": HOST, "%%": "%"}
    path = re.sub("%[jxuN%]", lambda match: words[match[0]], os.path.join(os.getcwd(), directives[option]))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def squeue(dir, fault, argv):
    if fault == "mute":
        sys.exit(7)
    if fault == "down":
        fail("slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
    asked = dict(_words(argv))
    wanted = asked["jobs"].split(",") if "jobs" in asked else None
    with jobs(dir) as known:
        rows = [job for id, job in known.items() if wanted is None or id in wanted]
    if wanted and len(wanted) == 1 and not rows:
        fail("slurm_load_jobs error: Invalid job id specified")
    if {"SQUEUE_PARTITION", "SQUEUE_USERS", "SLURM_CLUSTERS"} & set(os.environ):
        rows = []
    for job in [] if fault == "empty" else rows:
        fields = {
            "%V": job["submitted"],
            "%u": USER,
            "%B": "n/a" if job["start"] is None else NODE,
            "%Z": job["workdir"],
            "%j": job["name"],
            "%i": job["id"],
            "%T": job["state"],
            "%r": job["reason"],
            "%S": job["start"] or "N/A",
            "%o": job["command"],
        }
        first, *parts = asked["format"].split("%")
        print(first + "".join(f"{fields['%' + part[0]]}{part[1:]}" for part in parts))


def sacct(dir, fault, argv):
    if fault == "down":
        fail(
            "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection to "
            "host:127.0.0.1:6819: Connection refused\nsacct: error: Problem talking to the database: Connection refused"
        )
    if fault == "disabled":
        fail("Slurm accounting storage is disabled")
    asked = dict(_words(argv))
    names = asked["format"].split(",")
    if fault == "no-submit-line" and "SubmitLine" in names:
        fail('sacct: error: Invalid field requested: "SubmitLine"')
    wanted = asked["jobs"].split(",") if "jobs" in asked else None
    with jobs(dir) as known:
        rows = [job for id, job in known.items() if wanted is None or id in wanted]
    for job in rows:
        row = {
            "JobID": job["id"],
            "State": "CANCELLED by 1000" if job["state"] == "CANCELLED" else job["state"],
            "ExitCode": "0:0" if job["state"] == "CANCELLED" else job["exit"],
            "Start": job["start"] or "Unknown",
            "End": job["end"] or "Unknown",
            "User": USER,
            "Submit": job["submitted"],
            "JobName": job["name"],
            "WorkDir": job["workdir"],
            "SubmitLine": job["submit_line"],
            "TimelimitRaw": job["limit"],
            "AllocCPUS": 1,
            "AllocTRES": f"billing=1,cpu=1,gres/gpu={job['gpus']},node=1",
            "TotalCPU": f"{job['cpu'] // 60:02.0f}:{job['cpu'] % 60:06.3f}",
            "ReqMem": "64000M",
            "NodeList": NODE,
            "MaxRSS": "",
        }
        if fault == "stub":
            row |= {"State": "COMPLETED", "User": "root", "SubmitLine": "", "WorkDir": ""}
        if fault == "no-end":
            row |= {"State": "FAILED", "End": "Unknown"}
        print(asked["delimiter"].join(str(row[name]) for name in names))
        if "-X" not in argv:
            row |= {
                "JobID": f"{job['id']}.batch",
                "User": "",
                "SubmitLine": "",
                "MaxRSS": f"{job['memory']}K",
            }
            print(asked["delimiter"].join(str(row[name]) for name in names))


def scancel(dir, fault, argv):
    if "SCANCEL_PARTITION" in os.environ or "SLURM_CLUSTERS" in os.environ:
        return
    with jobs(dir) as known:
        for job in [known[id] for id in argv if id in known and known[id]["state"] not in ENDED]:
            job["state"] = "CANCELLED"
            if job["pid"]:
                os.system(f"pkill -TERM -P {job['pid']}; kill -TERM {job['pid']} 2>/dev/null")
            else:
                job["end"] = int(time.time())


def scontrol(dir, fault, argv):
    if argv == ["show", "config"]:
        print(
            "Configuration data as of 2026-01-01T00:00:00\nClusterName             = fake\nSLURM_CONF = /none"
        )
        return
    with jobs(dir) as known:
        job = known.get(argv[-1])
    if job is None:
        fail("slurm_load_jobs error: Invalid job id specified")
    print(
        f"JobId={job['id']} JobName={job['name']} UserId={USER}(7) JobState={job['state']} Reason=None "
        f"ExitCode={job['exit']} SubmitTime={job['submitted']} StartTime={job['start']} "
        f"EndTime={job['end'] or 'Unknown'} WorkDir={job['workdir']} Command={job['command']}"
    )


SHORT = {"j": "jobs", "o": "format", "t": "states", "J": "job-name", "p": "partition", "S": "starttime", "u": "user",
         "H": "hold", "A": "account", "D": "chdir", "q": "qos", "n": "ntasks"}  # fmt: skip
VALUED = {
    "jobs",
    "format",
    "states",
    "job-name",
    "partition",
    "starttime",
    "delimiter",
    "user",
    "account",
    "output",
    "error",
    "time",
    "qos",
    "ntasks",
    "chdir",
}


def _words(argv):
    """(long name, value) of each option."""
    words = iter(argv)
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            yield name, value if equals or name not in VALUED else next(words)
        elif word.startswith("-") and word[1:2] in SHORT:
            name = SHORT[word[1]]
            yield name, (word[2:] or next(words)) if name in VALUED else ""


def _directives(script):
    import shlex

    for line in script.splitlines():
        if line.startswith("#SBATCH"):
            yield from _words(shlex.split(line[7:]))


def sinfo(dir, fault, argv):
    """Of one node; the machine is called otherwise, as where a site has a name for each."""
    print(dict(_words(argv))["format"].replace("%n", f"{HOST}.site").replace("%N", NODE))


class jobs:
    """The table, held for us alone."""

    def __init__(self, dir):
        self.path = f"{dir}/jobs"

    def __enter__(self):
        self.lock = open(f"{self.path}.lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.known = _kept(self.path)
        return self.known

    def __exit__(self, *error):
        with open(f"{self.path}.new", "wb") as new:
            marshal.dump(self.known, new)
        os.rename(new.name, self.path)
        self.lock.close()


def _kept(path):
    try:
        with open(path, "rb") as file:
            return marshal.load(file)
    except FileNotFoundError:
        return {}


def _read(path):
    with open(path) as file:
        return file.read()


def _write(path, text):
    with open(path, "w") as file:
        file.write(text)


def fail(text):
    print(text, file=sys.stderr)
    sys.exit(1)


def main():
    name, dir, *argv = sys.argv[1:]
    fault = _kept(f"{dir}/faults").get(name)
    with open(f"{dir}/calls", "a") as calls:
        calls.write(f"{name}\n")
    {
        "sbatch": sbatch,
        "squeue": squeue,
        "sacct": sacct,
        "scancel": scancel,
        "scontrol": scontrol,
        "sinfo": sinfo,
    }[name](dir, fault, argv)


main()
