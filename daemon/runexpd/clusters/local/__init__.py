"""The embedded scheduler: jobs as processes of this machine, with no Slurm and no SSH.

cluster.py      the daemon's side: enters jobs in the spool, reads what became of them
directives.py   which #SBATCH options one machine can honour (pure)
spool.py        the directory both sides share: one atomic step makes a job, records are written once
orders.py       what a keeper will need of a submission, or why it is refused
adopt.py        jobs in the spool that no ledger of ours submitted
keeper.py       a small process a job: waits for its turn, runs the script, records its end; outlives the daemon
processes.py    every process of a job, found and ended
"""
