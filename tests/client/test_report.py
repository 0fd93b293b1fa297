"""The combined summary, and its words."""

import re

import pytest

from fakes.daemon import job, report
from runexp import page
from runexp.report import utilization
from runexp.wire.jobs import Failure, Score, Usage
from runexp.wire.states import Outcome, Phase, Stage

GIB = 1 << 30


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        (Usage(), "1 min 12 s"),
        (Usage(time_limit_seconds=1800.0, cpus=1), "1 min 12 s of 30 min 00 s (4%), 1 CPU"),
        (
            Usage(cpus=4, gpus=2, cpu_seconds=144.0, memory_bytes=8 * GIB, peak_memory_bytes=2 * GIB),
            "1 min 12 s, 2 GPUs, 4 CPUs (50%), memory 2.0 GiB of 8.0 GiB (25%)",
        ),
        (
            Usage(gpus=0, cpus=2, cpu_seconds=0.0, peak_memory_bytes=12 << 20),
            "1 min 12 s, 2 CPUs (0%), memory 12 MiB",
        ),
    ],
)
def test_utilization_says_what_is_known(usage: Usage, words: str) -> None:
    assert utilization(72.0, usage) == words


def test_a_job_of_no_time_has_no_share_of_its_cpus() -> None:
    assert utilization(0.0, Usage(cpus=1, cpu_seconds=0.1)) == "0 s, 1 CPU"


def test_the_page_has_a_table_of_scores_and_loads_nothing() -> None:
    scored = job(
        "rank8/words/epoch0",
        phase=Phase.EVALUATION,
        task="words",
        epoch=0,
        stage=Stage.VERIFIED,
        scores=(Score("match", "accuracy", 0.99),),
    )
    html = page.html(report(Outcome.SUCCEEDED, scored))
    assert re.search(r"<td>match accuracy</td>\s*<td>0.990</td>", html)
    assert "<title>words: succeeded</title>" in html
    assert not re.search(r"(?i)<(script|link|img|iframe)|src=|href=|url\(|@import", html)


def test_what_a_job_printed_stays_text() -> None:
    said = "<script>alert(1)</script> ![x](http://evil/x.png) [y](javascript:z) `a`"
    broken = job("rank8", stage=Stage.FAILED, detail=said, failure=Failure("unknown", said))
    html = page.html(report(Outcome.FAILED, broken))
    assert "&lt;script&gt;alert(1)&lt;/script&gt; ![x](http://evil/x.png) [y](javascript:z) `a`" in html
    assert "<script" not in html
    assert "<img" not in html
    assert "<a " not in html
