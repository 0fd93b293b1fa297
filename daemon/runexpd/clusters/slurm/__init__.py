"""Slurm, as seen from its command line, on whichever host has it.

    submit.sh, resolve.sh   what runs on the head node: lock, sbatch, receipt; and what became of it (shared.sh: for both)
    environment.py          what the account wishes of Slurm's commands, kept from ours (pure)
    commands.py             the command lines (pure)
    parse.py, rooms.py      what they print (pure)
    errors.py               what sbatch's answer means (pure)
    doubt.py                what became of a submission whose answer was lost (pure)
    merge.py                what queue and accounting say together (pure)
    ownership.py, rooms.sh  whose a job is whose command line doesn't say it
    adopt.py                jobs that somebody else submitted
    doctor.py, doctor.sh    what a cluster is like
    cluster.py              asks, and answers

The token. Each submission has a room of its own, ~/.runexp/TOKEN. The lock in it can be made once, the receipt says how
sbatch ended. And sbatch is given the script by way of that room (~/.runexp/TOKEN/../../..SCRIPT), so that the token stands
in sacct's SubmitLine and in squeue's command, and the path still leads to the script for whoever follows it. No option of the
user's is overridden for it: a --comment, which some sites use themselves, would be. Where the token can't be seen, since the
site's own sbatch submits a copy, or its sacct is too old, an id that sbatch gave us is ours if user, directory, name and submit
time agree with what is in the room.
"""
