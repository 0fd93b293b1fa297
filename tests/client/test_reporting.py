"""The report in every form: what is in it, that nothing gets out of its place, and how large it may be."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace

from fakes import reports
from fakes.daemon import job, report
from runexp.reporting import (
    charts,
    content,
    curves,
    drawing,
    figures,
    html,
    latex,
    palette,
    plain,
    recipes,
    runs,
    spreadsheet,
    times,
    varied,
)
from runexp.reporting.charts import Chart
from runexp.reporting.content import Content
from runexp.wire.jobs import Failure, RunSpec, Score
from runexp.wire.metrics import LOSS, Concern, Health, Series
from runexp.wire.recipes import Data, Recipe, Text
from runexp.wire.states import Outcome, Stage
from runexp.wire.views import Comparison, JobView, Report

EVIL = "<script>alert('x')</script>\" onload=\"x()\" =cmd|'/c calc'!A1 \\input{/etc/passwd} $x$ 100%"
VOID = {"meta", "br", "wbr", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Tags that are opened and closed in order, attributes, and the words between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attributes
        self.ids += [str(value) for name, value in attributes if name == "id"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def no_pictures(wanted: Sequence[tuple[str, Chart]]) -> Mapping[str, str]:
    return {}


def of(found: Report, points: int = 40) -> Content:
    series = reports.curves(found, points)
    bare = content.of(found, ends=[each for each in series if each.name == LOSS])
    drawn = set(curves.chosen(bare))
    return content.of(found, [each for each in series if each.job in drawn], bare.ends)


@pytest.fixture(scope="module")
def three() -> Content:
    return of(reports.sweep(3))


@pytest.fixture(scope="module")
def page(three: Content) -> str:
    return html.html(three)


def test_the_page_says_it_all_and_loads_nothing(page: str) -> None:
    found = Page(page)
    for words in (
        "Does a higher LoRA rank help",
        "0.803 ± 0.028",
        "+0.493",
        "[+0.413, +0.573]",
        "0.35",
        "20 min 37 s",
    ):
        assert words in found.words
    (policy,) = (str(value) for name, value in found.attributes if value and "default-src" in value)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert not {"script", "link", "img", "iframe", "object", "image", "use"} & set(found.tags)
    assert not {"src", "href", "xlink:href", "style"} & {name for name, _ in found.attributes}
    assert not re.search(r"url\((?!#)|@import", page)
    assert not re.search(r"#a[bc]00[0-9a-f]{2}", page), "a stand-in of a colour"


def test_pictures_have_titles_descriptions_and_ids_of_their_own(page: str) -> None:
    found = Page(page)
    assert found.tags.count("svg") == 4  # curves and scores, each for wide and for narrow screens
    assert found.tags.count("desc") == 4
    assert len(set(found.ids)) == len(found.ids)
    referred = re.findall(r"url\(#([^)]*)\)", page)
    assert set(referred) <= set(found.ids)


def test_the_same_input_gives_the_same_bytes(three: Content, page: str) -> None:
    assert html.html(three) == page


def test_sixty_runs_have_one_picture_and_a_row_each() -> None:
    many = of(reports.sweep(60))
    text = html.html(many, no_pictures)
    assert len(text) < 150_000
    assert all(f"<td>{row.run}</td>" in text for row in many.runs)
    chart = curves.chart(many, charts.WIDE)
    assert chart is not None
    values = chart.spec["vconcat"][0]["data"]["values"]
    assert len({value["g"] for value in values}) == len(palette.LINES)
    assert len({value["r"] for value in values}) == 54  # the others failed


def test_five_thousand_jobs_are_under_two_megabytes_and_it_says_what_is_left_out() -> None:
    found = of(reports.sweep(1_700))
    assert len(found.jobs) > 5_000
    chart = curves.chart(found, charts.WIDE)
    assert chart is not None
    assert sum(len(panel["data"]["values"]) for panel in chart.spec["vconcat"]) <= 3 * 9_000
    text = html.html(found, no_pictures)
    assert len(text.encode()) < 400_000  # pictures are bounded by their points
    said = Page(text).words
    assert "the best 150 of 3,061 rows; all of them: --format csv" in said
    assert "and 1,550 more runs" in said
    assert " of 1,700 runs are drawn: the best" in said


def evil() -> Report:
    scored = job(
        "rank8/words",
        stage=Stage.VERIFIED,
        task=EVIL,
        detail=EVIL,
        artifacts=(EVIL,),
        scores=(Score(EVIL, EVIL, 0.5, 3), Score("x", "accuracy", 0.25, 3)),
    )
    failed = job("rank8", stage=Stage.FAILED, detail=EVIL, failure=Failure(EVIL, EVIL), warnings=(EVIL,))
    return replace(
        report(Outcome.FAILED, scored, failed),
        name=EVIL,
        question=EVIL,
        runs=(RunSpec("rank8", "fine-tuned", EVIL, {EVIL: EVIL}),),
        warnings=(EVIL,),
        next_steps=(EVIL, f"runexp: runexp retry {EVIL}"),
        not_compared=EVIL,
    )


def test_no_name_gets_out_of_its_place_in_a_page() -> None:
    found = Page(html.html(content.of(evil())))
    assert "script" not in found.tags
    assert "onload" not in {name for name, _ in found.attributes}
    assert EVIL in found.words


def test_no_name_gets_out_of_its_place_in_latex() -> None:
    text = latex.latex(content.of(evil()))
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    commands = set(re.findall(r"(?<!\\)\\([a-zA-Z]+)", body))
    assert commands <= {"begingroup", "endgroup", "small"} | {
        "begin",
        "end",
        "caption",
        "label",
        "toprule",
        "midrule",
        "bottomrule",
        "endhead",
        "pm",
    } | {"textbf", "textbackslash", "textless", "textgreater", "textbar", "textquotedbl", "dots"}
    assert r"\textbackslash{}input\{/etc/passwd\}" in body
    assert re.search(r"(?<!\\)%", body) is None
    assert (
        latex.escaped("a_b & c#~^ \u202e\x00é 模")
        == r"a\_b \& c\#\textasciitilde{}\textasciicircum{} \textbackslash{}u202e\textbackslash{}x00é 模"
    )


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "|", "%"])
def test_no_name_is_a_formula_of_a_spreadsheet(start: str) -> None:
    name = f"{start}HYPERLINK(1)"
    scored = job("rank8/words", stage=Stage.VERIFIED, task=name, scores=(Score("match", "accuracy", -0.5),))
    found = replace(
        report(Outcome.SUCCEEDED, scored), name=name, runs=(RunSpec("rank8", "x", name, {name: name}),)
    )
    header, row = csv.reader(io.StringIO(spreadsheet.spreadsheet(content.of(found))))
    values = dict(zip(header, row, strict=True))
    assert values["experiment"] == values["task"] == values["model"] == f"'{name}"
    assert f"'{name}" in header
    assert values["value"] == "-0.5"


def test_a_spreadsheet_has_every_number_whole(three: Content) -> None:
    rows = list(csv.DictReader(io.StringIO(spreadsheet.spreadsheet(three))))
    assert len(rows) == 7
    assert (rows[-1]["run"], rows[-1]["lora_rank"], rows[-1]["epoch"], rows[-1]["best"]) == (
        "rank16_lr1e-5",
        "16",
        "1",
        "1",
    )
    assert float(rows[-1]["difference"]) == pytest.approx(0.493)
    assert rows[0]["difference"] == ""


def test_scores_lead_and_the_best_is_marked(three: Content) -> None:
    text = plain.markdown(three)
    assert text.index("### Scores") < text.index("### Optimization Results")
    assert "**0.803 ± 0.028**" in text
    assert "| rank16_lr1e-5 | 16        | 1     |" in text
    assert "Varied: lora_rank (4, 8, 16)" in text


def test_why_there_is_no_difference_is_said() -> None:
    scored = job(
        "rank8/words",
        stage=Stage.VERIFIED,
        scores=(Score("match", "ece", 0.2), Score("match", "stderr", 0.1)),
    )
    of_mean = Comparison(
        job=scored.id, score="match", samples=9, mean=0.9, stderr=0.1, base="b", common=9, difference=0.1
    )
    found = content.of(replace(report(Outcome.SUCCEEDED, scored), comparisons=(of_mean,)))
    (table,) = found.tables
    assert (table.is_lower_better, table.rows[0].comparison, table.rows[0].stderr) == (True, None, None)
    assert "1 row not compared with the base model: not the mean of its samples" in plain.text(found)


def test_of_an_interval_without_width_it_is_said_what_that_is_worth() -> None:
    scored = job("rank8/words", stage=Stage.VERIFIED, scores=(Score("match", "accuracy", 1.0),))
    alike = Comparison(
        job=scored.id,
        score="match",
        samples=9,
        mean=1.0,
        stderr=0.0,
        base="b",
        common=9,
        difference=1.0,
        low=1.0,
        high=1.0,
    )
    for compared, is_said in ((alike, True), (replace(alike, low=0.9, high=1.1), False)):
        found = content.of(replace(report(Outcome.SUCCEEDED, scored), comparisons=(compared,)))
        assert ("no width where all samples differ alike" in plain.text(found)) == is_said


def test_what_differs_between_trained_runs_is_a_column() -> None:
    specs = [
        RunSpec("base", "control", "m", {"rank": 0}),
        RunSpec("a", "fine-tuned", "m", {"rank": 4, "lr": 1e-4, "flag": True}),
        RunSpec("b", "fine-tuned", "m", {"rank": 8, "lr": 1e-4, "flag": 1}),
    ]
    assert varied.names(specs) == ("rank", "flag")
    assert varied.names(specs[:2]) == ("rank", "lr", "flag")
    assert varied.names([replace(specs[1], model="other"), specs[0]])[0] == "model"
    assert varied.cells(specs[1], ("rank", "lr", "none")) == ("4", "0.0001", "-")
    assert varied.cells(None, ("rank",)) == ("-",)


def test_mends_of_one_run_are_told_as_one() -> None:
    changes = (
        "batch_size 16 -> 8, gradient_accumulation_steps 1 -> 2",
        "batch_size 8 -> 4, gradient_accumulation_steps 2 -> 4",
    )
    assert runs.mended(changes) == "batch_size 16 -> 4, gradient_accumulation_steps 1 -> 4"
    assert runs.mended(("something else",)) == "something else"


def test_wall_time_and_work_are_told_apart() -> None:
    idle_hour = 3_600.0
    first, second = reports.attempt(1, 1_000.0, 100.0), reports.attempt(2, 1_100.0 + idle_hour, 100.0)
    phase = report(Outcome.SUCCEEDED, job("rank8", attempts=(first, second))).optimization
    found = times.of(phase)
    assert (found.active, found.work, found.gpu) == (320.0, 200.0, 200.0)
    assert found.attempts == 2
    assert times.of(report(None, job("rank8")).optimization).work is None


def test_a_line_has_few_points_and_keeps_its_ends_and_extremes() -> None:
    values = [float(step % 7) for step in range(10_000)]
    values[5_000], values[6_000] = 99.0, -99.0
    series = Series(job="a", name=LOSS, steps=tuple(range(10_000)), values=tuple(values))
    points = list(curves.thinned(series, 300))
    assert len(points) <= 300
    assert points[0] == (0, 0.0)
    assert points[-1] == (9_999, values[-1])
    assert {99.0, -99.0} <= {value for _, value in points}
    gap = replace(series, values=(None,) * 10_000)
    assert all(value is None for _, value in curves.thinned(gap, 300))


@pytest.mark.parametrize(
    ("value", "stderr", "said"),
    [
        (0.99, 0.01, "0.990 ± 0.010"),
        (0.5, None, "0.500"),
        (12.345, 0.5, "12.35 ± 0.50"),
        (431.0, 2.25, "431.0 ± 2.2"),
    ],
)
def test_numbers_have_the_decimals_of_what_they_are_beside(
    value: float, stderr: float | None, said: str
) -> None:
    assert figures.with_error(value, stderr) == said


def test_nothing_has_no_sign() -> None:
    assert (figures.signed(-0.0001, 0.5), figures.signed(0.11, 0.5)) == ("0.000", "+0.110")


def test_an_experiment_without_anything_is_a_page_too() -> None:
    text = html.html(content.of(report(None, job("rank8", stage=Stage.PLANNED, state="PLANNED"))))
    assert "svg" not in Page(text).tags
    assert "under way" in text


def test_numbers_in_a_picture_s_words_are_left_alone() -> None:
    svg = '<svg x="1" width="9" height="9"><path d="M1.2345,6.789"/><text>0.98765</text></svg>'
    dressed = drawing.dressed(svg, "n", Chart(spec={}, title="a<b", description="c"))
    assert 'd="M1.2,6.8"' in dressed
    assert "0.98765" in dressed
    assert "a&lt;b" in dressed


def test_a_character_that_controls_is_spelled_out_in_a_picture() -> None:
    """What draws would end the process over it."""
    spec = {
        "data": {"values": [{"run": "a\x1b[31m\0"}]},
        "mark": "text",
        "encoding": {"text": {"field": "run"}},
    }
    assert "a\\x00</text>" in drawing.drawn([("n", Chart(spec=spec, title="", description=""))])["n"]


def test_what_is_wrong_what_is_unclear_and_what_is_not_compared_is_said() -> None:
    ill = Health(
        concern=Concern.STALLED, since_at=1.0, what="no new step for 6 min", hint="look at its output"
    )
    found = content.of(
        replace(
            report(
                None,
                job("rank4", health=(ill,)),
                job("rank8", stage=Stage.IN_DOUBT, detail="its steps are nowhere", warnings=("old",)),
                job("rank8/words", stage=Stage.VERIFIED, scores=(Score("match", "accuracy", 0.5),)),
            ),
            not_compared="the samples of 1 of 1 logs are not read yet",
        )
    )
    said = " ".join(Page(html.html(found)).words.split())
    for words in ("no new step for 6 min; look at its output", "rank8: its steps are nowhere", "rank8: old"):
        assert words in said
    for text in (said, plain.text(found), latex.latex(found)):
        assert "the samples of 1 of 1 logs are not read yet" in text
    for text in (plain.text(found), plain.markdown(found)):
        assert "\n\n\n" not in text, "parts are a line apart, also where a table has no notes"
    assert "Health: rank4: no new step for 6 min; look at its output" in plain.text(found)


def test_what_a_failed_job_said_last_is_shown() -> None:
    failed = of(reports.sweep(8))
    for text in (Page(html.html(failed, no_pictures)).words, plain.markdown(failed)):
        assert "torch.OutOfMemoryError: CUDA out of memory. Tried" in text


def test_a_step_ends_in_its_command() -> None:
    assert html.step("Mend (its output: runexp logs w J), then: runexp retry w") == (
        "Mend (its output: runexp logs w J), then",
        "runexp retry w",
    )
    assert html.step("Analyze it: all of it") == ("Analyze it: all of it", "")


def test_what_exactly_ran_is_said_once_where_it_is_the_same() -> None:
    def recipe(seed: str, torch: str) -> Recipe:
        script = Text(role="script", path="/exp/s", sha256="ab" * 32, content="c", meaning="m")
        words = Data(path="/data/words.json", size_bytes=1_234, modified_at=1.0, sha256="cd" * 32)
        versions = {"torch": torch, "peft": "0.18.1"}
        return Recipe(
            texts=(script,),
            values={"seed": seed},
            data=(words,),
            versions=versions,
            commit="1a2b3c",
            dirty=True,
        )

    found = reports.sweep(2)
    names = [each.id for each in found.optimization.jobs]
    made = dict(zip(names, (recipe("1", "2.13.0"), recipe("2", "2.12.0")), strict=True))
    shown = content.of(replace(found, recipes=made))
    facts = dict(recipes.facts(shown))
    assert facts["packages"] == "peft 0.18.1, torch 2.13.0 and 2.12.0"
    assert facts["commit"] == "1a2b3c, with changes that aren't in it"
    assert facts["data"] == "/data/words.json (1,234 bytes, sha256 cdcdcdcdcdcd)"
    assert facts["seeds"] == "seed 1, seed 2"
    row = next(recipes.rows(shown))
    assert (row.job, row.hashes, row.seeds) == (names[0], "script abababababab", "seed 1")
    text = Page(html.html(shown, no_pictures)).words
    assert "1a2b3c, with changes" in text
    assert "runexp show capitalization-sweep JOB" in text


def test_what_changed_since_is_said() -> None:
    changed = job("rank8", stage=Stage.VERIFIED, changes=("lr 1e-4 -> 2e-4",), kept=True)
    found = content.of(report(Outcome.SUCCEEDED, changed))
    assert "- rank8: lr 1e-4 -> 2e-4 (kept)" in plain.text(found)
    assert "lr 1e-4 -> 2e-4 (kept)" in Page(html.html(found)).words


def test_a_column_in_which_the_runs_of_a_table_do_not_differ_is_left_out() -> None:
    def scored(run: str) -> JobView:
        return job(f"{run}/words", stage=Stage.VERIFIED, scores=(Score("match", "accuracy", 0.5),))

    specs = (
        RunSpec("a", "fine-tuned", "m", {"rank": 4, "lr": 1e-4}),
        RunSpec("b", "fine-tuned", "m", {"rank": 8, "lr": 1e-4}),
        RunSpec("c", "fine-tuned", "m", {"rank": 8, "lr": 1e-5}),
    )
    found = replace(report(Outcome.PARTIAL, scored("a"), scored("b")), runs=specs)
    shown = content.of(found)
    assert shown.varied == ("rank", "lr")
    assert (shown.tables[0].varied, [row.varied for row in shown.tables[0].rows]) == (
        ("rank",),
        [("4",), ("8",)],
    )
