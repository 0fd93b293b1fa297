"""sbatch's options, as sbatch(1) and getopt_long(3) know them. Pure."""

#: Short options that take a value; the rest take none.
SHORT = {
    "a": "array", "A": "account", "B": "extra-node-info", "C": "constraint", "c": "cpus-per-task", "d": "dependency",
    "D": "chdir", "e": "error", "F": "nodefile", "G": "gpus", "i": "input", "J": "job-name", "L": "licenses",
    "M": "clusters", "m": "distribution", "N": "nodes", "n": "ntasks", "o": "output", "p": "partition", "q": "qos",
    "S": "core-spec", "t": "time", "w": "nodelist", "x": "exclude", "b": "begin",
}  # fmt: skip
FLAGS = {
    "H": "hold", "k": "no-kill", "O": "overcommit", "s": "oversubscribe", "Q": "quiet", "v": "verbose", "W": "wait",
    "V": "version", "h": "help",
}  # fmt: skip
#: Long options that have no value, or one behind `=` only: the next word is not theirs.
BARE = frozenset(
    {"consolidate-segments", "contiguous", "exclusive", "external", "get-user-env", "help", "hold", "ignore-pbs", "nice",
     "no-kill", "no-requeue", "oom-kill-step", "overcommit", "overlap", "oversubscribe", "parsable", "propagate", "quiet",
     "reboot", "requeue", "resv-ports", "spread-job", "spread-segments", "stepmgr", "test-only", "usage", "use-min-nodes",
     "verbose", "version", "wait", "x11"}
)  # fmt: skip
_VALUED = frozenset(
    {*SHORT.values(), "acctg-freq", "bb", "bbf", "cluster", "cluster-constraint", "comment", "container", "container-id",
     "cores-per-socket", "cpu-freq", "cpus-per-gpu", "deadline", "delay-boot", "export", "export-file", "extra", "gid",
     "gpu-bind", "gpu-freq", "gpus-per-node", "gpus-per-socket", "gpus-per-task", "gres", "gres-flags", "hint",
     "kill-on-invalid-dep", "mail-type", "mail-user", "mcs-label", "mem", "mem-bind", "mem-per-cpu", "mem-per-gpu",
     "mincpus", "network", "ntasks-per-core", "ntasks-per-gpu", "ntasks-per-node", "ntasks-per-socket", "open-mode",
     "power", "prefer", "priority", "profile", "reservation", "segment", "signal", "sockets-per-node", "switches",
     "tasks-per-node", "thread-spec", "threads-per-core", "time-min", "tmp", "tres-bind", "tres-per-task", "uid",
     "wait-all-nodes", "wckey", "wrap"}
)  # fmt: skip
_LONG = BARE | _VALUED
_SAME = {"cluster": "clusters", "tasks-per-node": "ntasks-per-node"}


def whole(name: str) -> str:
    """The long option that a name, or the beginning of one, stands for; as it is where it is none, or may be several."""
    known = [name] if name in _LONG else [each for each in _LONG if name and each.startswith(name)]
    return _SAME.get(known[0], known[0]) if len(known) == 1 else name
