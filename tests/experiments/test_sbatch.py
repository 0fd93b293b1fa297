import pytest

from runexpd.experiments import sbatch


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
