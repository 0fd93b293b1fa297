"""torchtune's config and command line, and what can't be one."""

import pytest

from runexpd.experiments.problems import BadExperiment
from runexpd.tools import scripts
from runexpd.tools.torchtune_config import Invocation, Training, invocation, read

CONFIG = """
run_dir: runs/x
output_dir: ${run_dir}/artifacts
checkpointer: {output_dir: "${output_dir}"}
metric_logger: {log_dir: "${.root}/logs", root: /logs}
epochs: ${n.epochs}
n: {epochs: 3}
epochs_to_save: [2, 0, 2]
batch_size: 16
log_every_n_steps: 5
model: {path: "${nosuch}", secret: "${oc.env:HOME}"}
"""


def refusal(text: str, *overrides: str) -> BadExperiment:
    with pytest.raises(BadExperiment) as raised:
        read(text, "f.yaml", "/exp/run", overrides)
    return raised.value


def test_what_matters_of_a_config_is_resolved() -> None:
    assert read(CONFIG, "f.yaml", "/exp/run") == Training(
        output_dir="/exp/run/runs/x/artifacts",
        log_dir="/logs/logs",
        epochs=3,
        epochs_to_save=(0, 2),
        batch_size=16,
        log_every_n_steps=5,
        pace="None 16 None None None None None None None None",
    )


def test_overrides_win_and_are_resolved_too() -> None:
    overrides = ("run_dir=/y", "n.epochs=7", "~epochs_to_save", "batch_size=${n.epochs}", "new.key.deep=1")
    training = read(CONFIG, "f.yaml", "/exp/run", overrides)
    assert (training.output_dir, training.epochs, training.epochs_to_save, training.batch_size) == (
        "/y/artifacts",
        7,
        None,
        7,
    )


def test_a_mapping_may_be_another_ones() -> None:
    text = "checkpointer: ${kept.ours}\nkept: {ours: {output_dir: '${base}/x'}}\nbase: /b\n"
    assert read(text, "f.yaml", "/exp/run").output_dir == "/b/x"


def test_what_only_the_job_knows_is_not_known_here() -> None:
    assert read("batch_size: ${oc.env:N}\nepochs: 1\n", "f.yaml", "/exp").batch_size is None
    bad = refusal("output_dir: ${oc.env:SCRATCH}/x\n")
    assert "only the job knows it" in bad.what
    assert bad.where == "f.yaml: output_dir"
    assert bad.hint == "mend the config, or write the value out"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("output_dir: ${nosuch}/x", "Interpolation key 'nosuch' not found"),
        ("output_dir: ${output_dir}", "refers to itself"),
        ("output_dir: ${a}\na: ${b}\nb: ${a}", "refers to itself"),
        ("output_dir: ${a}\na: {b: c}", "is a mapping, where a value is needed"),
        ("output_dir: ${...a}", "leads out of the config"),
        ("output_dir: ${a.${b}}\nb: c", "can't be followed"),
        ("output_dir: {a: b}", "is a mapping, where a value is needed"),
        ("epochs_to_save: [[1]]", "a list of numbers is needed"),
        ("output_dir: " + "x" * 5000, "longer than 4096 characters"),
        ('output_dir: "/x\\0"', "no path that can be"),
        ("- 1", "a torchtune config is a mapping of keys to values"),
        ("", "a torchtune config is a mapping of keys to values"),
    ],
)
def test_what_leads_nowhere_is_refused_in_a_line(text: str, said: str) -> None:
    assert said in refusal(text).what


def test_a_chain_that_doubles_at_each_line_is_refused_before_it_is_followed() -> None:
    links = "\n".join(f"k{n}: ${{k{n + 1}}}${{k{n + 1}}}" for n in range(40))
    assert (
        "longer than 4096 characters once it is resolved"
        in refusal(f"output_dir: ${{k0}}\n{links}\nk40: x\n").what
    )
    assert (
        "too many interpolations"
        in refusal(
            "output_dir: ${k0}\n" + "\n".join(f"k{n}: ${{k{n + 1}}}" for n in range(3000)) + "\nk3000: x\n"
        ).what
    )


def test_an_alias_bomb_is_refused() -> None:
    levels = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9))
    assert refusal(f"a0: &a0 [x]\n{levels}\noutput_dir: x\n").what
    assert read("epochs: 1", "f.yaml", "/exp", ("x=[" + "[" * 3000,)).epochs == 1


@pytest.mark.parametrize("count", ["-1", "99999999999", "1.5", "true", "many", "[]", "???"])
def test_a_count_that_can_not_be_is_none(count: str) -> None:
    assert read(f"batch_size: {count}", "f.yaml", "/exp").batch_size is None


def test_how_a_script_calls_torchtune() -> None:
    script = "#!/bin/bash\n# tune run no\nsrun /env/bin/tune run x \\\n --config a.yaml epochs=2 ~b lr=$LR\n"
    assert invocation(script) == Invocation("a.yaml", ("epochs=2", "~b"))
    assert invocation("python train.py\n") == Invocation()


#: Each took seconds or more by a pattern of some earlier time.
@pytest.mark.parametrize(
    "unit", ["a", "'", '"', "\\\n", "tune run ", " ", "\n", ". ", "source x/", "epoch_1", "a=", "#", "\x0c"]
)
def test_a_hostile_script_is_read_in_no_time(unit: str) -> None:
    text = (unit * (1024 * 1024 // len(unit) + 1))[: 1024 * 1024]
    assert invocation(f"{text}\ntune run x --config late.yaml\n").config in ("finetune.yaml", "late.yaml")
    assert isinstance(scripts.environments(text), list)


def test_a_scripts_chdir_is_where_its_paths_begin() -> None:
    job = scripts.spec(
        "/exp/run/x.slurm",
        "#!/bin/bash\n#SBATCH --chdir=../sub\n",
        id="x",
        phase="optimization",
        tool="t",
        run="r",
    )
    assert (job.chdir, job.workdir, scripts.runs_in(job), job.output) == (
        "/exp/sub",
        "/exp/run",
        "/exp/sub",
        "/exp/sub/slurm-%j.out",
    )
    job = scripts.spec("/exp/run/x.slurm", "#!/bin/bash\n", id="x", phase="optimization", tool="t", run="r")
    assert (job.chdir, scripts.runs_in(job)) == (None, "/exp/run")
