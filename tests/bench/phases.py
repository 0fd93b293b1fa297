"""From the last training's end to the first evaluation's submission, with checkpoints and logs verified in between.

8 training jobs of 20 s, then 16 evaluations of 3 s, room for all at once. The same work by others, on such a cluster:
existing submitters 42 s from phase to phase and 178 s in all, with 74 Slurm commands; AiiDA 2.9 10 s and 38 s; Slurm's own
dependencies (no verification, nothing to attach to) 1 s and 24 s.

    python tests/bench/phases.py
"""

from bench_site import Counted, check, daemon, slurm

from fakes.experiments import Run

RUNS = tuple(Run(f"r{number}", epochs=2, seconds=20, eval_seconds=3) for number in range(8))


def main() -> None:
    with slurm() as up:
        for stagger, gap_most, all_most in ((0, 1, 27), (5, 1, 65)):
            with daemon(up, stagger_seconds=stagger) as counted:
                measure(counted, stagger, gap_most, all_most)


def measure(counted: Counted, stagger: int, gap_most: int, all_most: int) -> None:
    dir = counted.experiment(*RUNS, name=f"stagger{stagger}")
    counted.forget()
    check(counted.run(dir))
    trained = {
        event["slurm_job_id"] for event in counted.of_type("SubmitAccepted") if "/" not in event["job"]
    }
    jobs = counted.jobs()
    training = [job for job in jobs if job["id"] in trained]
    evaluation = [job for job in jobs if job["id"] not in trained]
    assert (len(training), len(evaluation)) == (8, 16)
    submitted = max(int(j["submit"]) for j in training) - min(int(j["submit"]) for j in training)
    gap = min(int(j["submit"]) for j in evaluation) - max(int(j["end"]) for j in training)
    total = max(int(j["end"]) for j in evaluation) - min(int(j["submit"]) for j in training)
    calls = counted.counted()
    print(f"stagger {stagger} s: training submitted within {submitted} s")
    print(f"  last training end to first evaluation submitted: {gap} s  (at most {gap_most})")
    print(f"  all: {total} s  (at most {all_most})")
    print(f"  Slurm commands: {calls.total()}, {dict(calls)}  (fewer than 74)")


if __name__ == "__main__":
    main()
