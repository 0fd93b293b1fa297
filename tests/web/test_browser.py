"""The page in a real browser, on a phone and on a desk, light and dark: what it shows, live, by keyboard, and of hostile names."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from msgspec.structs import replace
from playwright.sync_api import Browser, expect

from fakes import daemon as shown
from runexp.wire.events import StateChanged
from runexp.wire.jobs import Failure, Progress, Score
from runexp.wire.metrics import Series
from runexp.wire.recipes import Data, Recipe, Text, WithTexts
from runexp.wire.states import Stage
from runexp.wire.views import AttemptView, ExperimentView, JobView
from runexpd.settings import Web
from web import browser as browsers
from web.browser import WIDTHS, Window, window
from web.site import Site
from web.test_listing import thousands

pytestmark = pytest.mark.real

expect.set_options(timeout=20_000)

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "javascript:alert(3)",
    "{{ 7 * 7 }}{% raw %}",
    "'; alert(4); '",
    "</textarea></svg><svg onload=alert(5)>",
    "\u202eevil\u202c\x1b[31m\x00",
    "a" * 300,
    "%3Cscript%3E&lt;b&gt;?id=x#y/../..",
)
#: Each width and each scheme once: what fits hangs on the one, what can be read on the other.
LOOKS = [(390, "dark"), (1280, "light")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsers.running() as running:
        yield running


@pytest.fixture
def settings() -> Web:
    return Web(actions=True)


def attempt(number: int, state: str) -> AttemptView:
    return AttemptView(
        number=number,
        token=f"e1-{number}",
        slurm_job_id=str(100 + number),
        state=state,
        exit_code="1:0",
        submitted_at=1000.0,
        started_at=1010.0,
        ended_at=1100.0,
    )


def usual() -> ExperimentView:
    """Something of everything."""
    oom = Failure("cuda_out_of_memory", "CUDA out of memory. Tried to allocate 2.00 GiB")
    jobs = [
        shown.job("rank4", Stage.VERIFIED, "VERIFIED", detail="2 epochs, 124 steps", ended_at=1100.0),
        shown.job("rank8", progress=Progress(epoch=1, epochs=2, done=31, total=124, loss=0.41)),
        shown.job(
            "rank16",
            Stage.FAILED,
            "FAILED",
            failure=oom,
            detail=oom.message,
            attempts=(attempt(1, "FAILED"), attempt(2, "FAILED")),
        ),
        scored("base/words", None, 0.1),
        scored("rank4/words/epoch0", 0, 0.47),
        scored("rank4/words/epoch1", 1, 0.8),
        shown.job(
            "rank8/words/epoch0", Stage.PLANNED, "PLANNED", detail="waits for the barrier", started_at=None
        ),
    ]
    return shown.experiment(*jobs, seq=0)


def scored(id: str, epoch: int | None, value: float) -> JobView:
    scores = (Score("match", "accuracy", value), Score("match", "stderr", 0.04))
    return shown.job(id, Stage.VERIFIED, "VERIFIED", epoch=epoch, scores=scores, ended_at=1060.0)


def ran(*names: str) -> WithTexts:
    """A recipe with these words in all its places."""
    texts = tuple(Text(role="script", path=name, sha256="", content=name, meaning="") for name in names)
    data = tuple(Data(path=name, size_bytes=1, modified_at=0.0) for name in names)
    words = {name: name for name in names}
    recipe = Recipe(texts=texts, values=words, data=data, versions=words, commit=names[0], missing=names)
    return WithTexts(attempt=1, recipe=recipe, contents=words)


def other() -> ExperimentView:
    """Another experiment with a run of the same name."""
    return replace(usual(), id="e2", name="capitals", jobs=(scored("base/words", None, 0.3),))


def curves(*jobs: str) -> list[Series]:
    return [
        Series(
            job=job,
            name=name,
            steps=tuple(range(1, 101)),
            seconds=tuple(map(float, range(100))),
            values=tuple(None if step == 50 else (place + 2) / step for step in range(1, 101)),
        )
        for name in ("loss", "lr")
        for place, job in enumerate(jobs)
    ]


def entered(site: Site, opened: Window) -> None:
    """Logged in, as a person does."""
    opened.page.goto(site.opened())
    expect(opened.page.get_by_role("heading", name="Experiments")).to_be_visible()
    assert "#" not in opened.page.url


PAGES = (
    "/",
    "/e/e1",
    "/e/e1/job?id=rank16",
    "/e/e1/cancel",
    "/clusters",
    "/clusters/della",
    "/compare?e=e1&e=e2",
    "/compare",
    "/?q=words",
)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_every_page_fits_and_is_accessible(site: Site, browser: Browser, width: int, scheme: str) -> None:
    site.show(usual())
    site.show(other())
    site.series = curves("rank4", "rank8", "rank16")
    site.output = ["epoch 1\n", "25%\r50%\r100%\n"]
    site.ran = ran("lora_rank")
    with window(browser, width, scheme) as opened:
        opened.page.goto(f"http://127.0.0.1:{site.port}/login")
        assert_accessible(opened, "/login")
        entered(site, opened)
        for path in PAGES:
            opened.page.goto(f"http://127.0.0.1:{site.port}{path}")
            expect(opened.page.get_by_role("heading", level=1)).to_be_visible()
            if width > 700 and path.startswith("/e/e1") and "cancel" not in path:
                expect(opened.page.locator(".plot .main-svg").first).to_be_attached()
            assert not opened.is_too_wide(), path
            assert_accessible(opened, path)


def assert_accessible(opened: Window, path: str) -> None:
    found = Axe().run(opened.page).response["violations"]
    told = [(each["id"], [node["html"][:160] for node in each["nodes"]][:3]) for each in found]
    assert not told, (path, told)


def test_curves_can_be_hovered_over_and_zoomed_into(site: Site, browser: Browser) -> None:
    site.show(usual())
    site.series = curves("rank4", *HOSTILE)
    with window(browser, 1280) as opened:
        entered(site, opened)
        opened.page.goto(f"http://127.0.0.1:{site.port}/e/e1")
        plot = opened.page.locator(".plot")
        expect(plot.locator(".main-svg").first).to_be_visible()
        drag = plot.locator(".nsewdrag").first
        drag.scroll_into_view_if_needed()
        box = drag.bounding_box()
        assert box is not None
        expect(opened.page.locator("#lost")).to_be_hidden()
        opened.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(plot.locator(".hoverlayer text").first).to_be_attached()
        ticks = plot.locator(".xtick").all_text_contents()
        opened.page.mouse.down()
        opened.page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.8, steps=4)
        opened.page.mouse.up()
        opened.page.wait_for_function(
            "before => [...document.querySelectorAll('.plot .xtick')].map(e => e.textContent).join() !== before",
            arg=",".join(ticks),
        )
        named = opened.page.locator("#curves .line").all_text_contents()
        assert "<script>alert(1)</script>" in " ".join(named)
        assert "\u202e" not in plot.inner_html()


def test_lines_are_hidden_and_shown(site: Site, browser: Browser) -> None:
    """In the picture that needs no plotly, and in plotly's; also when the page is as new."""
    site.show(usual())
    site.series = [*curves("rank4", "rank8", "rank16"), curves("empty")[0]]
    site.series[-1] = replace(site.series[-1], values=(None,) * 100)
    with window(browser, 390) as opened:
        entered(site, opened)
        page = opened.page
        page.goto(f"http://127.0.0.1:{site.port}/e/e1")
        button = page.get_by_role("button", name="rank8", exact=True)
        button.click()
        expect(button).to_have_attribute("aria-pressed", "false")
        expect(page.locator(".still g:visible")).to_have_count(2)
        page.get_by_role("button", name="Hover and zoom").click()
        expect(page.locator(".plot .scatterlayer .trace")).to_have_count(2)
        site.show(replace(usual(), seq=1))
        site.tell("e1", StateChanged(job="rank4", token="t", state="FAILED"))
        expect(page.locator(".events")).to_contain_text("rank4")
        expect(button).to_have_attribute("aria-pressed", "false")
        button.click()
        expect(page.locator(".plot .scatterlayer .trace")).to_have_count(3)


def test_a_phone_loads_the_large_script_only_when_asked(site: Site, browser: Browser) -> None:
    site.show(usual())
    site.series = curves("rank4")
    with window(browser, 390) as opened:
        loaded: list[str] = []
        opened.page.on("request", lambda request: loaded.append(request.url))
        entered(site, opened)
        opened.page.goto(f"http://127.0.0.1:{site.port}/e/e1")
        expect(opened.page.locator(".still polyline").first).to_be_visible()
        assert not any("plotly.min.js" in each for each in loaded)
        opened.page.get_by_role("button", name="Hover and zoom").click()
        expect(opened.page.locator(".plot .main-svg").first).to_be_visible()
        assert all(each.startswith((f"http://127.0.0.1:{site.port}/", "data:")) for each in loaded)


@pytest.mark.parametrize("width", WIDTHS)
def test_names_and_words_of_others_stay_text(site: Site, browser: Browser, width: int) -> None:
    jobs = [
        shown.job(
            name,
            Stage.FAILED,
            "FAILED",
            failure=Failure("unknown", name),
            detail=name,
            warnings=(name,),
            output=name,
        )
        for name in HOSTILE
    ]
    scores = (Score(HOSTILE[0], HOSTILE[1], 0.5),)
    jobs.append(shown.job("r/t", Stage.VERIFIED, "VERIFIED", task=HOSTILE[0], scores=scores))
    for place, name in enumerate(HOSTILE):
        site.show(
            shown.experiment(*jobs, id=f"e{place}", name=name, dir=f"/{name}", trouble=name, warnings=(name,))
        )
    site.series = curves(*HOSTILE)
    site.output = [name + "\n" for name in HOSTILE]
    site.ran = ran(*HOSTILE)
    with window(browser, width) as opened:
        entered(site, opened)
        expect(opened.page.get_by_role("link", name="<script>alert(1)</script>")).to_be_visible()
        assert not opened.is_too_wide()
        opened.page.goto(f"http://127.0.0.1:{site.port}/e/e0")
        assert not opened.is_too_wide()
        for job in HOSTILE[:6] + HOSTILE[8:]:
            opened.page.goto(f"http://127.0.0.1:{site.port}/e/e0")
            opened.page.get_by_role("link", name=job, exact=True).first.click()
            expect(opened.page.get_by_role("heading", level=1)).to_have_text(re.sub(r"\s+", " ", job))
            expect(opened.page.locator("#output")).to_contain_text("<script>alert(1)</script>")
            assert not opened.is_too_wide()
        assert opened.page.locator("main script, main img, main iframe").count() == 0
        opened.page.goto(f"http://127.0.0.1:{site.port}/compare?e=e0&e=e1")
        assert not opened.is_too_wide()
        assert "\u202e" not in opened.page.content()


def test_side_by_side(site: Site, browser: Browser) -> None:
    site.show(usual())
    site.show(other())
    site.runs = {"e1": {"base": {"rank": 4}}, "e2": {"base": {"rank": "<b>8"}}}
    site.series = curves("rank8")
    with window(browser, 1280) as opened:
        entered(site, opened)
        opened.page.goto(f"http://127.0.0.1:{site.port}/compare?e=e1&e=e2")
        differing = opened.page.get_by_role("region", name="What differs")
        expect(differing.get_by_role("row").filter(has_text="base: rank")).to_have_text(
            re.compile(r"4\s*<b>8")
        )
        scores = opened.page.get_by_role("region", name="Scores side by side")
        expect(scores.get_by_role("row").filter(has_text="base words")).to_contain_text("+0.200")
        expect(opened.page.locator(".plot .main-svg").first).to_be_attached()
        expect(opened.page.locator("#curves .line")).to_have_text(["words: rank8", "capitals: rank8"])


LONG = "qwen2.5-7b-instruct_lora_rank64_alpha128_lr2e-4_warmup0.03_cosine_packed"


def sixty(id: str, name: str, better: float) -> ExperimentView:
    """Sixty runs with names as sweeps make them, each evaluated twice."""
    runs = [f"{LONG}_{n}" if n % 9 == 0 else f"rank{n}_lr2e-4" for n in range(60)]
    scores = [
        (f"{run}/words/epoch{epoch}", epoch, better + n / 100)
        for n, run in enumerate(runs)
        for epoch in (0, 1)
    ]
    return shown.experiment(
        *(shown.job(run) for run in runs), *(scored(*each) for each in scores), id=id, name=name
    )


#: Figures that lie in more than one line.
BROKEN = """() => {
  const height = (each) => {
    const all = document.createRange();
    all.selectNodeContents(each);
    return all.getBoundingClientRect().height / parseFloat(getComputedStyle(each).fontSize);
  };
  const figures = document.querySelectorAll("td.figure, .interval, .whole, time, .legend b");
  const lines = (each) => (each.querySelector(".interval") ? 3.5 : 2); // an interval has a line of its own on a phone
  return [...figures].filter((each) => each.offsetParent && height(each) > lines(each)).map((each) => each.textContent);
}"""


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_sixty_runs_with_long_names(site: Site, browser: Browser, width: int, scheme: str) -> None:
    for id, name, better in (("e1", "sweep", 0.1), ("e2", LONG * 2, 0.2)):
        site.show(sixty(id, name, better))
        site.runs[id] = {job.run: {"lr": better} for job in site.views[id].jobs}
    site.series = curves(*(job.run for job in site.views["e1"].jobs[:60]))
    with window(browser, width, scheme) as opened:
        entered(site, opened)
        page = opened.page
        for path in ("/e/e1", "/compare?e=e1&e=e2"):
            page.goto(f"http://127.0.0.1:{site.port}{path}")
            page.locator("#legend-more > summary").click()
            assert not opened.is_too_wide()
            assert page.evaluate(BROKEN) == []
            assert_accessible(opened, path)
        differs = page.get_by_role("region", name="What differs").get_by_role("row")
        expect(differs.nth(1)).to_have_text(re.compile(r"60 runs: lr\s*0.1\s*0.2"))
        expect(differs).to_have_count(2)
        rows = page.locator(".scores tbody th")
        expect(rows.nth(0)).to_contain_text("epoch 0 A")
        expect(rows.nth(1)).to_contain_text("epoch 0 B")
        stand = page.get_by_role("region", name="How they stand").get_by_role("rowheader")
        expect(stand).to_have_text(["A sweep", f"B {LONG * 2}"])
        for box in page.locator(".wide").all():
            table = box.locator("table").bounding_box()
            place = box.bounding_box()
            assert table is not None
            assert place is not None
            assert table["width"] <= place["width"] or box.evaluate("e => e.scrollWidth > e.clientWidth")


def test_what_happens_is_shown_and_what_one_does_stays(site: Site, browser: Browser) -> None:
    site.show(usual())
    with window(browser) as opened:
        entered(site, opened)
        opened.page.goto(f"http://127.0.0.1:{site.port}/e/e1")
        opened.page.locator("#group-failed > summary").click()
        opened.page.get_by_role("link", name="rank8", exact=True).focus()
        now = usual()
        site.show(
            shown.experiment(*now.jobs, shown.job("late", Stage.FAILED, "FAILED", detail="it broke"), seq=1)
        )
        site.tell("e1", StateChanged(job="late", token="t", state="FAILED"))
        expect(opened.page.locator("#group-failed > summary")).to_contain_text("2")
        assert opened.page.locator("#group-failed").get_attribute("open") is None  # as it was left
        expect(opened.page.get_by_role("link", name="rank8", exact=True)).to_be_focused()
        expect(opened.page.locator(".events")).to_contain_text("late")


def test_five_thousand_jobs(site: Site, browser: Browser) -> None:
    jobs = [
        shown.job(
            f"run{number:04}",
            Stage.FAILED if number % 50 == 0 else Stage.VERIFIED,
            "VERIFIED",
            detail=f"step {number}",
        )
        for number in range(5000)
    ]
    site.show(shown.experiment(*jobs))
    with window(browser) as opened:
        entered(site, opened)
        opened.page.goto(f"http://127.0.0.1:{site.port}/e/e1")
        assert len(opened.page.content()) < 100_000
        expect(opened.page.locator("#group-failed > summary")).to_contain_text("100")
        opened.page.locator("#group-done > summary").click()
        opened.page.get_by_role("link", name="all 4900").click()
        opened.page.get_by_role("link", name="later").click()
        expect(opened.page.get_by_text("page 2 of 49")).to_be_visible()
        opened.page.get_by_role("searchbox").fill("run4711")
        expect(opened.page.locator(".job")).to_have_count(1)
        expect(opened.page.get_by_role("searchbox")).to_be_focused()
        opened.page.get_by_role("link", name="run4711").click()
        expect(opened.page.get_by_role("heading", level=1)).to_have_text("run4711")


def test_two_thousand_experiments(site: Site, browser: Browser) -> None:
    site.lines = thousands()
    site.show(replace(usual(), id="mine"))
    with window(browser) as opened:
        entered(site, opened)
        assert not opened.is_too_wide()
        page = opened.page
        page.get_by_role("link", name="failed 399").click()
        page.get_by_role("link", name="older").click()
        expect(page.get_by_text("page 2 of 8")).to_be_visible()
        page.get_by_role("searchbox").fill("rank1234")
        expect(page.locator("#experiments > li")).to_have_count(0)
        page.get_by_role("link", name="archived 1").click()
        expect(page.get_by_role("searchbox")).to_have_value("rank1234")
        page.get_by_role("searchbox").fill("rank1239")
        expect(page.locator("#experiments h2")).to_have_text(["rank1239"])
        page.get_by_role("link", name="Compare").click()
        page.get_by_role("checkbox", name="words mine").check()
        page.get_by_role("searchbox").fill("rank1235")
        page.get_by_role("searchbox").press("Enter")
        expect(page.get_by_role("checkbox")).to_have_count(2)
        expect(page.get_by_role("checkbox", name="words mine")).to_be_checked()


def test_all_of_it_can_be_done_by_keyboard(site: Site, browser: Browser) -> None:
    site.show(usual())
    with window(browser, 1280) as opened:
        entered(site, opened)
        press(opened, "words")
        expect(opened.page.get_by_role("heading", level=1)).to_have_text("words")
        press(opened, "Cancel all …")
        press(opened, "Yes, end it")
        expect(opened.page.get_by_role("heading", level=1)).to_have_text("words")
        assert [asked.experiment for asked in site.asked] == ["e1"]  # type: ignore[union-attr]


def press(opened: Window, name: str) -> None:
    """Tab until it has the focus, then Enter."""
    for _ in range(60):
        opened.page.keyboard.press("Tab")
        if opened.page.evaluate("document.activeElement.textContent.trim()") == name:
            shape = opened.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert shape != "none"  # one sees where one is
            with opened.page.expect_navigation():
                opened.page.keyboard.press("Enter")
            return
    raise AssertionError(f"Tab never comes to {name}")


def test_a_used_up_address_says_so(site: Site, browser: Browser) -> None:
    address = site.opened()
    with window(browser) as opened:
        opened.page.goto(address)
        expect(opened.page.get_by_role("heading", name="Experiments")).to_be_visible()
    with window(browser) as opened:
        opened.expected.append("403")
        opened.page.goto(address)
        expect(opened.page.get_by_role("alert")).to_contain_text("has been used")


def test_another_sites_page_gets_nothing_and_changes_nothing(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    """It is served by another name for this machine, and by another port of the same name."""
    from web.elsewhere import elsewhere

    site.show(usual())
    target = f"http://127.0.0.1:{site.port}"
    with elsewhere(target) as port, window(browser) as opened:
        opened.expected += [
            "403",
            "401",
            "CORS",
            "ERR_FAILED",
            "BLOCKED",
            "Blocked",
            "refused",
            "Refused",
            "violates",
            "Framing",
            "Failed to",
        ]
        entered(site, opened)
        for host in ("localhost", "127.0.0.1"):
            opened.page.goto(f"http://{host}:{port}/")
            opened.page.wait_for_function("window.results !== undefined")
            assert opened.page.evaluate("window.results") == ["refused", "refused", "refused"]
            with opened.page.expect_navigation():
                opened.page.get_by_role("button").click()
            assert "another site" in opened.page.content() or "nobody is logged in" in opened.page.content()
        assert site.asked == []
        opened.page.goto(target)
        expect(opened.page.get_by_role("heading", name="Experiments")).to_be_visible()
