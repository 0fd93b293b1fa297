"""Why a job can have failed, in words that rules and readers go by. Tool modules of others may have words of their own."""

from enum import StrEnum


class FailureKind(StrEnum):
    """The classes of failures."""

    # What the job said at its end.

    #: A GPU's memory was not enough. A training is tried again with half the batch (`--oom-retries`).
    CUDA_OUT_OF_MEMORY = "cuda_out_of_memory"
    #: The host's memory was not enough, by Slurm's word or by the program's: ask for more with `--mem`.
    HOST_OUT_OF_MEMORY = "host_out_of_memory"
    #: No room on a disk, or a quota is used up.
    DISK_FULL = "disk_full"
    #: The model that the job reads isn't where its config says, or isn't whole.
    MISSING_MODEL = "missing_model"
    #: The data that the job reads isn't where its config says.
    MISSING_DATA = "missing_data"
    #: The data is there, and the evaluation won't take it, such as two samples with one id.
    BAD_DATA = "bad_data"
    #: The script names an inspect-ai task that isn't in the file.
    MISSING_TASK = "missing_task"
    #: The script calls a command, or activates an environment, that isn't there.
    MISSING_COMMAND = "missing_command"
    #: The config, or an option of the command line, is not what the tool takes; or a package is missing.
    BAD_CONFIG = "bad_config"
    #: It was stopped by Ctrl-C's signal.
    INTERRUPTED = "interrupted"
    #: A signal ended it that somebody sent: a person, a site's watchdog, the kernel for want of memory.
    KILLED = "killed"
    #: A signal ended it that a program earns itself, such as SIGSEGV.
    CRASHED = "crashed"
    #: An exception of none of the kinds above; the message is its own.
    EXCEPTION = "exception"
    #: Nothing says why.
    UNKNOWN = "unknown"

    # What Slurm says of its end.

    #: It reached its time limit.
    TIMEOUT = "timeout"
    #: It was cancelled, by `runexp cancel` or by `scancel`.
    CANCELLED = "cancelled"
    #: Its node failed. It is submitted again by itself (`--node-retries`).
    NODE_FAIL = "node_fail"
    #: Its node could not be started. It is submitted again by itself.
    BOOT_FAIL = "boot_fail"
    #: A job of higher priority took its place, and Slurm did not queue it again.
    PREEMPTED = "preempted"
    #: It was not over by its deadline (`--deadline`).
    DEADLINE = "deadline"
    #: A federation of clusters runs it elsewhere.
    REVOKED = "revoked"
    #: The directory that `#SBATCH --output` names isn't there: Slurm ends such a job without a word.
    NO_OUTPUT_DIRECTORY = "no_output_directory"

    # What a training left.

    #: An epoch is missing, cut short, or older than the training.
    CHECKPOINT = "checkpoint"
    #: An adapter names a base model that isn't there any more; the word that scaffolders have for it.
    STALE_LOCAL_BASE_PATH = "STALE_LOCAL_BASE_PATH"
    #: It trained no step, whatever it saved: mostly the batch is larger than the data.
    NO_STEPS = "no_steps"
    #: There is no sign of a training here, and no checkpoint of one.
    NOT_TRAINED = "not_trained"

    # What an evaluation left.

    #: It ended well, and left no log.
    NO_LOG = "no_log"
    #: Its log was begun and never finished.
    EVAL_STARTED = "eval_started"
    #: Its log says `error`.
    EVAL_ERROR = "eval_error"
    #: Its log says `cancelled`.
    EVAL_CANCELLED = "eval_cancelled"
    #: Its log says what no log says: an unknown status, more samples done than there are.
    EVAL_LOG = "eval_log"
    #: Its log was marked as invalid, by a person.
    INVALIDATED = "invalidated"
    #: Its log says `success` and holds no score.
    NOT_SCORED = "not_scored"

    # What runexp decided.

    #: Slurm would not take the script; the message is Slurm's own.
    SUBMIT_REFUSED = "submit_refused"
    #: It made no step any more, and was ended, as `--on-stall cancel` has it.
    STALLED = "stalled"
    #: It was scored before its model was trained anew: the score doesn't count.
    OUTDATED = "outdated"
    #: It was verified once, and its results have gone since.
    RESULTS_GONE = "results_gone"
    #: It was to be made anew, and its old results could not be moved aside.
    NOT_SET_ASIDE = "not_set_aside"
