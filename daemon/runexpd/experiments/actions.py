"""The words by which a block of a run log says what was done. Existing readers go by some of them: see runexpd.experiments.blocks."""

from enum import StrEnum


class Action(StrEnum):
    """What a block tells of."""

    #: `runexp run` has entered the experiment: its directory, its cluster, its runs.
    DISCOVER_EXPERIMENT = "DISCOVER_EXPERIMENT"
    #: Which scripts there are, and which tools they are for.
    VERIFY_SCAFFOLDING = "VERIFY_SCAFFOLDING"
    #: Something is odd about the scaffold, and nothing hangs on it.
    WARNING = "WARNING"
    #: A training is owed though it was done once: its checkpoints are gone, and an evaluation of them is missing.
    TRAIN_ANEW = "TRAIN_ANEW"
    #: Which runs are trained.
    IDENTIFY_RUNS = "IDENTIFY_RUNS"
    #: Which evaluations there are.
    IDENTIFY_EVALS = "IDENTIFY_EVALS"
    #: The trainings begin.
    RUN_OPTIMIZATION = "RUN_OPTIMIZATION"
    #: The evaluations begin.
    RUN_EVALUATION = "RUN_EVALUATION"
    #: A training is submitted, or was submitted by somebody else and is watched on. Its id is on the third line.
    SUBMIT_JOB = "SUBMIT_JOB"
    #: The same of an evaluation.
    SUBMIT_EVAL = "SUBMIT_EVAL"
    #: The cluster would not take a script.
    SUBMIT_FAILED = "SUBMIT_FAILED"
    #: The cluster takes no more just now; it is tried again.
    SUBMIT_DEFERRED = "SUBMIT_DEFERRED"
    #: A submission was not answered; it is found out what became of it, and not sent again.
    SUBMIT_UNCLEAR = "SUBMIT_UNCLEAR"
    #: No evaluation is left to submit.
    ALL_SUBMITTED = "ALL_SUBMITTED"
    #: How the jobs of a phase stand.
    STATUS_CHECK = "STATUS_CHECK"
    #: The cluster shows a job in another state.
    STATE_CHANGE = "STATE_CHANGE"
    #: What a job that ended was given and used, as Slurm accounts for it.
    COMPUTE_UTILIZATION = "COMPUTE_UTILIZATION"
    #: What a job that ended used of its GPUs, as it was sampled.
    RESOURCE_STATUS = "RESOURCE_STATUS"
    #: A running job makes no step any more; or does again.
    HEALTH_STALLED = "HEALTH_STALLED"
    #: A running job has made no step at all, and says nothing; or has made one.
    HEALTH_NO_STEP = "HEALTH_NO_STEP"
    #: A running job's loss is no number; or is one again.
    HEALTH_NOT_FINITE = "HEALTH_NOT_FINITE"
    #: A running job is slower than its siblings; or no longer.
    HEALTH_SLOW = "HEALTH_SLOW"
    #: A running job's GPUs have nothing to do; or have again.
    HEALTH_GPU_IDLE = "HEALTH_GPU_IDLE"
    #: A running job will not be over within its time limit; or will.
    HEALTH_TIME_LIMIT = "HEALTH_TIME_LIMIT"
    #: A job waits far longer than its siblings did; or no longer.
    HEALTH_QUEUE = "HEALTH_QUEUE"
    #: A job that stood still was ended, as `--on-stall cancel` has it.
    CANCEL_STALLED = "CANCEL_STALLED"
    #: A training's checkpoints were looked at.
    VERIFY_CHECKPOINTS = "VERIFY_CHECKPOINTS"
    #: A training ended well, and its checkpoints are missing or not whole.
    CHECKPOINT_MISSING = "CHECKPOINT_MISSING"
    #: A training failed; and, once all have ended, how many have good checkpoints.
    VERIFY_FINETUNING = "VERIFY_FINETUNING"
    #: An evaluation's log was looked at.
    VERIFY_EVAL = "VERIFY_EVAL"
    #: Whether a job's results are good can't be told: a person decides.
    UNCLEAR = "UNCLEAR"
    #: A person takes a job's results as they are.
    ACCEPT = "ACCEPT"
    #: What a job's results came from is no longer what stands there.
    RECIPE_CHANGED = "RECIPE_CHANGED"
    #: A job's old results are moved aside before it is made anew; or could not be.
    SET_ASIDE = "SET_ASIDE"
    #: A job failed: what is to be read first.
    ERROR = "ERROR"
    #: A training that ran out of GPU memory goes again with half the batch.
    OOM_RETRY = "OOM_RETRY"
    #: A training ran out of GPU memory, and is not tried again.
    OOM_EXHAUSTED = "OOM_EXHAUSTED"
    #: A job whose node failed goes again.
    NODE_RETRY = "NODE_RETRY"
    #: An evaluation that was killed goes on with the samples that it had finished.
    EVAL_RESUME = "EVAL_RESUME"
    #: A training is not submitted.
    SKIP_JOB = "SKIP_JOB"
    #: An evaluation is not submitted.
    SKIP_EVAL = "SKIP_EVAL"
    #: The scaffold no longer has these jobs.
    RETIRE = "RETIRE"
    #: `runexp retry`.
    RETRY = "RETRY"
    #: `runexp rerun`.
    RERUN = "RERUN"
    #: `runexp cancel`.
    CANCEL = "CANCEL"
    #: `runexp set`.
    SETTINGS = "SETTINGS"
    #: The ledger was put back to an earlier state: nothing is done until `runexp run`.
    LEDGER_RESTORED = "LEDGER_RESTORED"
    #: All trainings have ended and were judged: whether the evaluations go ahead, and why.
    BARRIER = "BARRIER"
    #: The command before the evaluations was begun.
    CACHE_PREBUILD = "CACHE_PREBUILD"
    #: What that command said of a cache that it built.
    CACHE_BUILT = "CACHE_BUILT"
    #: What that command said of a cache that it could not build.
    CACHE_FAILED = "CACHE_FAILED"
    #: That command ended well.
    CACHE_PREBUILD_COMPLETE = "CACHE_PREBUILD_COMPLETE"
    #: That command failed: the evaluations are held until a person decides.
    CACHE_PREBUILD_FAILED = "CACHE_PREBUILD_FAILED"
    #: That command is ended: somebody cancelled it, or no evaluation waits for it any more.
    CACHE_PREBUILD_CANCELLED = "CACHE_PREBUILD_CANCELLED"
    #: A person has it run again, or goes on without it.
    CACHE_PREBUILD_DECIDED = "CACHE_PREBUILD_DECIDED"
    #: Nothing more is owed in a phase; in the phase's own log.
    ALL_COMPLETE = "ALL_COMPLETE"
    #: No training is owed any more.
    OPTIMIZATION_COMPLETE = "OPTIMIZATION_COMPLETE"
    #: No evaluation is owed any more.
    EVALUATION_COMPLETE = "EVALUATION_COMPLETE"
    #: How the experiment ended, and below it the report.
    EXPERIMENT_COMPLETE = "EXPERIMENT_COMPLETE"
