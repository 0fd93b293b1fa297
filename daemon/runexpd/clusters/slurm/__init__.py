"""Slurm, as seen from its command line, on whichever host has it.

    submit.sh, resolve.sh   what runs on the head node: lock, sbatch, receipt; and what became of it
    commands.py             the command lines (pure)
    parse.py                what they print (pure)
    errors.py               what a failed sbatch means (pure)
    merge.py                what queue and accounting say together (pure)
    cluster.py              asks, and answers

The token. Each submission goes through a link of its own, ~/.runexp/TOKEN -> script. Making the link is the lock (it is
atomic, and fails where there is one), and since sbatch is given the link, the token stands in sacct's SubmitLine and in
squeue's command. No option of the user's is overridden for it: a --comment, which some sites use themselves, would be.
"""
