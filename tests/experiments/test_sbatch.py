import pytest

from runexp.wire.jobs import JobSpec
from runexp.wire.states import Phase
from runexpd.experiments import outputs, sbatch
from runexpd.experiments.outputs import Start
from runexpd.tools import scripts


def test_directives_are_those_before_the_first_command() -> None:
    found = sbatch.read(
        "#!/bin/bash\n"
        "# a comment\n\n"
        "#SBATCH --job-name=one -o 'out put-%j.txt'\n"
        "#SBATCH -t 1-02:03:04 # a remark\n"
        "#SBATCH -eerr.txt\n"
        "#SBATCH --chdir sub\n"
        "##SBATCH --array=1-9\n"
        "echo\n"
        "#SBATCH --job-name=two\n"
    )
    assert found.job_name == "one"
    assert (found.output, found.error, found.chdir) == ("out put-%j.txt", "err.txt", "sub")
    assert found.time_limit_seconds == 93784
    assert [(name, line) for name, _, line in found.options] == [
        ("job-name", 4),
        ("output", 4),
        ("time", 5),
        ("error", 6),
        ("chdir", 7),
    ]


def test_the_last_of_a_kind_wins() -> None:
    assert sbatch.read("#!/bin/sh\n#SBATCH -J a\n#SBATCH --job-name b").job_name == "b"


def test_an_option_without_a_value_leaves_the_next_word_alone() -> None:
    options = sbatch.read("#!/bin/sh\n#SBATCH --requeue --exclusive -H -N1").options
    assert [(name, value) for name, value, _ in options] == [
        ("requeue", None),
        ("exclusive", None),
        ("hold", None),
        ("nodes", "1"),
    ]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("-t tomorrow", "Invalid --time"),
        ("--time=1:2:3:4", "Invalid --time"),
        ("-J", "requires an argument"),
        ("--output", "requires an argument"),
        ("-Z 3", "unrecognized option"),
        ("stray", "unrecognized option"),
        ("-J 'open", "unmatched quote"),
        ("--time=" + "9" * 5000, "Invalid --time"),
        ("--time=²", "Invalid --time"),
        ("--time=1\u0662", "Invalid --time"),
        ("--output=a\0b", "control character"),
        ("--output=a\x1bb", "control character"),
        ("--output=a\u2028b", "control character"),
        ("-J " + "x" * 20_000, "a #SBATCH line of 20011 characters"),
    ],
)
def test_a_line_that_can_not_be_read_is_named(line: str, what: str) -> None:
    with pytest.raises(sbatch.BadDirective, match=what) as raised:
        sbatch.read(f"#!/bin/bash\n\n#SBATCH {line}\n")
    assert raised.value.line == 3


@pytest.mark.parametrize("end", ["\u2028", "\x1c", "\x0c", "\x0b", "\x85", "\r"])
def test_a_line_ends_at_a_newline_and_nowhere_else(end: str) -> None:
    assert sbatch.read(f"#!/bin/sh\n# x{end}#SBATCH --array=1-9\n").options == ()
    assert sbatch.read(f"#!/bin/sh\necho{end}\n#SBATCH --array=1-9\n").options == ()


def test_a_carriage_return_at_the_end_is_none_of_the_directives() -> None:
    assert sbatch.read("#!/bin/sh\r\n#SBATCH -J a\r\n").job_name == "a"


def test_what_slurm_takes_for_a_command_ends_the_directives() -> None:
    assert sbatch.read("#!/bin/sh\n \t\x0b\x0c# no\n\n#SBATCH -J a").job_name == "a"
    assert sbatch.read("#!/bin/sh\n\u2003\n#SBATCH -J a").job_name is None


def test_so_much_and_no_more_is_read_of_directives() -> None:
    with pytest.raises(sbatch.BadDirective, match="more than 65536 characters in #SBATCH lines") as raised:
        sbatch.read("#!/bin/sh\n" + ("#SBATCH --comment=" + "x" * 1000 + "\n") * 4000)
    assert raised.value.line == 66


@pytest.mark.parametrize("filler", ["x", " ", "#", "'", "\\", "%1", "\t#", "=-"])
def test_a_script_of_four_megabytes_in_a_line_is_read(filler: str) -> None:
    line = filler * (4 * 1024 * 1024 // len(filler))
    assert sbatch.read(f"#!/bin/sh\n#SBATCH -J a\n{line}").job_name == "a"
    assert sbatch.output_path(line, workdir="/w", job_id="1", job_name="a").startswith("/w/")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("--arra 0-3", ("array", "0-3")),
        ("--clu=x", ("clu", "x")),
        ("--cluster=x", ("clusters", "x")),
        ("--job=a", ("job-name", "a")),
        ("-Ha0-3", ("array", "0-3")),
        ("-QHa 0-3", ("array", "0-3")),
        ("--kill-on-invalid-dep yes", ("kill-on-invalid-dep", "yes")),
        ("--nice=5", ("nice", "5")),
        ("-a 0\\-3", ("array", "0-3")),
        ('"--array" "0-3"', ("array", "0-3")),
    ],
)
def test_options_are_known_by_their_beginnings_and_stand_together(line: str, found: tuple[str, str]) -> None:
    name, value, _ = sbatch.read(f"#!/bin/sh\n#SBATCH {line}\n").options[-1]
    assert (name, value) == found


def test_of_a_job_in_parts_the_first_runs_the_script() -> None:
    found = sbatch.read("#!/bin/sh\n#SBATCH -o a -t 5\n#SBATCH hetjob\n#SBATCH -o b -t 9 -D /x\n")
    assert (found.output, found.time_limit_seconds, found.chdir) == ("a", 300, None)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        *[
            (f"#SBATCH {each}", "--array=0-3: ")
            for each in ("-a 0-3", "-a0-3", "--array 0-3", "--arr=0-3", "-ka0-3")
        ],
        *[(f"#SBATCH {each}", "--wait: ") for each in ("-W", "--wait", "-QW", "--mem 10 -W")],
        *[(f"#SBATCH {each}", "--clusters=other: ") for each in ("-M other", "-Mother", "--cluster=other")],
        ("#SBATCH --wrap=hostname", "--wrap=hostname: sbatch ignores it"),
        ("#SBATCH --test-only", "--test-only: sbatch would submit nothing"),
        ("#SBATCH-a0-3", "--array=0-3: "),
        ("#SBATCH\t-a0-3", "--array=0-3: "),
        ("#PBS -t 0-3", "--array=0-3: "),
        ("#PBS -N x -J0-3 # y", "--array=0-3: "),
        ("#PBS 'x\n#PBS-t 0-3", "--array=0-3: "),
        ("true\n#PBS -t 0-3", "--array=0-3: "),
    ],
)
def test_what_would_go_half_is_refused_with_its_line_and_what_to_do(line: str, what: str) -> None:
    unfit = sbatch.unfit(sbatch.read(f"#!/bin/sh\n#SBATCH --time=5\n# x\n{line}\ntrue\n"))
    assert unfit is not None
    assert unfit.what.startswith(what)
    assert unfit.line == 4 + line.count("\n")
    assert "take it out" in unfit.hint


@pytest.mark.parametrize(
    "line",
    [
        "#SBATCH --wait-all-nodes=1",
        "#SBATCH --cluster-constraint=x",
        "#SBATCH -H --parsable --nice=3 hetjob",
        "#SBATCH --comment=a#b --array=0-3",
        "##SBATCH --array=0-3",
        " #SBATCH --array=0-3",
        "#sbatch --array=0-3",
        "# x\u2028#SBATCH --array=0-3",
        "true\n#SBATCH --array=0-3",
        "true \\\n#SBATCH --wait",
        "#BSUB -J x[0-3]",
        "#PBS -W block=true 'x",
        "#PBS -t 0-3\n#SBATCH --ignore-pbs",
    ],
)
def test_what_slurm_does_as_it_should_or_does_not_read_is_fine(line: str) -> None:
    assert sbatch.unfit(sbatch.read(f"#!/bin/sh\n{line}\n")) is None


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [
        ("10", 600),
        ("1:30", 90),
        ("0:01", 1),
        ("01:00:00", 3600),
        ("2-0", 172800),
        ("1-12:30", 131400),
        ("1-00:00:01", 86401),
        ("UNLIMITED", None),
        ("infinite", None),
        ("0", None),
    ],
)
def test_time_limits(limit: str, seconds: int | None) -> None:
    assert sbatch.seconds(limit) == seconds


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("slurm-%j.out", "/w/slurm-42.out"),
        ("/logs/%x_%A.txt", "/logs/a b_42.txt"),
        ("%5j-%u-%N", "/w/00042-me-n1"),
        ("%20j", "/w/0000000042"),
        ("100%%", "/w/100%"),
        ("%q", "/w/%q"),
        ("%005j", "/w/00042"),
        ("%" + "9" * 5000 + "j", "/w/0000000042"),
        ("%²j", "/w/%²j"),
        ("a\\%j", "/w/a%j"),
    ],
)
def test_output_patterns(pattern: str, path: str) -> None:
    assert (
        sbatch.output_path(pattern, workdir="/w", job_id="42", job_name="a b", user="me", node="n1") == path
    )


@pytest.mark.parametrize(
    ("workdir", "written"),
    [("/w/100%j", "/w/10042"), ("/w/%x %q%", "/w/a %q%"), ("/w/%%j", "/w/%j"), ("/w/a\\b", "/w/ab")],
)
def test_what_a_directory_is_called_is_a_part_of_the_pattern(workdir: str, written: str) -> None:
    path = sbatch.output_path("out", workdir=workdir, job_id="42", job_name="a")
    assert path == f"{written}/out"
    assert sbatch.default_path(workdir, "42") == f"{workdir}/slurm-42.out"
    asked = sbatch.read("#!/bin/sh\n#SBATCH --output=/logs/%j -e out")
    strayed = sbatch.strayed(asked, workdir)
    assert strayed is not None
    assert (strayed.what[:12], strayed.line) == ("--error=out:", 2)
    assert sbatch.strayed(sbatch.read("#!/bin/sh\n"), workdir) is None
    assert sbatch.strayed(asked, "/w/100% q%q") is None


def printing(directives: str, workdir: str = "/w") -> JobSpec:
    known = {"id": "a", "phase": Phase.OPTIMIZATION, "tool": "t", "run": "a"}
    return scripts.spec(f"{workdir}/a.slurm", f"#!/bin/sh\n{directives}\n", **known)


def test_where_a_job_prints_is_told_as_soon_as_it_can_be() -> None:
    job = printing("#SBATCH -o logs/%u-%N-%x.out -e err/%3j-%N.err -J b")
    assert outputs.is_open(job)
    assert outputs.output_of(job, Start("7")) == outputs.output_of(job, Start("7", "me")) == ""
    assert outputs.output_of(job, Start("7", "me", "n1")) == "/w/logs/me-n1-b.out"
    assert outputs.error_of(job, Start("7", "me", "n1")) == "/w/err/007-n1.err"
    plain = printing("#SBATCH --output=%j.out")
    assert not outputs.is_open(plain)
    assert (outputs.output_of(plain, Start("7")), outputs.error_of(plain, Start("7"))) == ("/w/7.out", "")
    odd = printing("", "/w/%u-%j")
    assert outputs.output_of(odd, Start("7")) == "/w/%u-%j/slurm-7.out"


def test_directories_are_made_whose_names_are_known_before_the_job_is() -> None:
    assert outputs.directories(printing("#SBATCH -o out/a%%b/%j -e 50%/%x/e")) == (
        "/w/50%/a.slurm",
        "/w/out/a%b",
    )
    assert outputs.directories(printing("#SBATCH -o out/%j/a -e %u/b")) == ()
    assert outputs.directories(printing("#SBATCH -o %j.out")) == outputs.directories(printing("")) == ()
