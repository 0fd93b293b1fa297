"""What the help of `runexp ledger` says, and of `runexpd ledger`, which it calls: the same."""

GROUP = """Look over, copy, put back, make small: the file that remembers every experiment.

`check` and `backup` may be called while the daemon runs; `restore` and `compact` not.

\b
Example:  runexp ledger backup /backup/ledger.sqlite
"""

CHECK = """Read all of the ledger, or of a copy of it, and say whether it is whole. Exits with 4 where it isn't.

\b
Example:  runexp ledger check
"""

BACKUP = """Copy the ledger into FILE, as it is now; what happens meanwhile goes on.

The configuration and the experiments' own files are not in it.

\b
Example:  runexp ledger backup /backup/ledger-$(date +%F).sqlite
"""

RESTORE = """Put the ledger back as FILE has it, while no daemon runs. The one that is there is kept beside it.

What was submitted since the copy was made isn't in it, so nothing is done with an experiment that was under way then until
`runexp run` has looked what happened since: what runs is watched on, what lies there finished is taken up.

\b
Example:  runexp daemon stop
          runexp ledger restore /backup/ledger-2026-11-29.sqlite
          runexp daemon start
"""

COMPACT = """Let go of what removed experiments have left, and make the ledger's files as small as they can be, while no daemon runs.

\b
Example:  runexp daemon stop
          runexp ledger compact
"""
