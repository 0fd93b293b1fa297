"""What one does on the page of a real daemon, in a real browser: asked first, then done, and what follows is seen as it happens."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from fakes.experiments import Run, build, executions, write_run
from fakes.home import CONFIG, Home
from web import browser as browsers
from web.browser import window

pytestmark = pytest.mark.real

expect.set_options(timeout=30_000)


@contextmanager
def watching(home: Home, experiment: Path, actions: bool = True) -> Iterator[Page]:
    """The experiment's page, on a phone."""
    config = home.dir / "config.yaml"
    config.write_text(CONFIG + f"web: {{actions: {str(actions).lower()}}}\n")
    with home.running(), browsers.running() as browser, window(browser) as opened:
        opened.expected.append("409")
        assert home.runexp("run", str(experiment), "--detach").returncode == 0
        opened.page.goto(home.json("web")["address"])
        opened.page.get_by_role("link", name="words").click()
        yield opened.page


def asked(page: Page, link: str, question: str) -> None:
    """What a link leads to is a question."""
    page.get_by_role("link", name=link).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(question)


def state_of(page: Page, job: str, words: str) -> None:
    """The job's own page comes to say so."""
    page.get_by_role("link", name=job, exact=True).click()
    expect(page.locator(".title .chip")).to_have_text(words)


def unfolded(page: Page, group: str) -> None:
    """Its jobs are seen."""
    summary = page.locator(f"#group-{group} > summary")
    expect(summary).to_be_visible()
    if page.locator(f"#group-{group}").get_attribute("open") is None:
        summary.click()


def test_a_job_is_cancelled_once_one_says_yes(tmp_path: Path) -> None:
    experiment = build(tmp_path / "experiment", Run("rank4"), Run("slow", seconds=600))
    home = Home(tmp_path / "home")
    with watching(home, experiment) as page:
        state_of(page, "slow", "RUNNING")
        asked(page, "Cancel …", "End slow?")
        page.get_by_role("link", name="No, leave it").click()
        expect(page.locator("#group-running")).to_contain_text("slow")
        assert home.of_type("CancelAsked") == []
        state_of(page, "slow", "RUNNING")
        asked(page, "Cancel …", "End slow?")
        page.get_by_role("button", name="Yes, end it").click()
        expect(page.locator("#group-failed")).to_contain_text("slow")
        expect(page.locator(".title .chip")).to_have_text("cancelled")
        expect(page.locator(".scores")).to_contain_text("rank4")
        assert [event["jobs"] for event in home.of_type("CancelAsked")] == [["slow"]]
        page.go_back()
        page.get_by_role("button", name="Yes, end it").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("slow")
        expect(page.get_by_role("link", name="All experiments")).to_be_visible()


def test_what_failed_is_mended_and_submitted_again(tmp_path: Path) -> None:
    experiment = build(tmp_path / "experiment", Run("rank4"), Run("rank8", fate="bad_config"))
    home = Home(tmp_path / "home")
    with watching(home, experiment) as page:
        expect(page.locator(".title .chip")).to_have_text("! partial")
        expect(page.locator("#group-failed")).to_contain_text("Missing key epochs")
        write_run(experiment, Run("rank8"))
        asked(page, "Retry what failed …", "Submit again what failed of words?")
        page.get_by_role("button", name="Yes, submit again").click()
        expect(page.locator(".title .chip")).to_have_text("✓ succeeded")
        expect(page.locator("#group-failed")).to_have_count(0)
        expect(page.locator(".scores")).to_contain_text("rank8")
        assert executions(experiment).count("rank4") == 1


def test_a_job_is_made_anew_and_its_evaluation_with_it(tmp_path: Path) -> None:
    experiment = build(tmp_path / "experiment", Run("rank4"), Run("rank8"))
    home = Home(tmp_path / "home")
    with watching(home, experiment) as page:
        expect(page.locator(".title .chip")).to_have_text("✓ succeeded")
        unfolded(page, "done")
        state_of(page, "rank4", "VERIFIED")
        asked(page, "Make anew …", "Make rank4 anew?")
        expect(page.locator(".question")).to_contain_text("Old results are moved aside")
        page.get_by_role("button", name="Yes, make anew").click()
        expect(page.locator(".title .chip")).to_have_text("✓ succeeded")
        expect(page.locator(".events")).to_contain_text("its old results are out of the way")
        unfolded(page, "done")
        state_of(page, "rank4", "VERIFIED")
        expect(page.locator("#attempts-card tbody tr")).to_have_count(2)
        ran = executions(experiment)
        assert [ran.count(each) for each in ("rank4", "rank4/words_epoch0", "rank8")] == [2, 2, 1]


def test_a_page_that_is_only_for_looking_has_nothing_to_press(tmp_path: Path) -> None:
    experiment = build(tmp_path / "experiment", Run("rank8", fate="bad_config"))
    with watching(Home(tmp_path / "home"), experiment, actions=False) as page:
        state_of(page, "rank8", "FAILED")
        expect(page.locator(".actions")).to_have_count(0)
