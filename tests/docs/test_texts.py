"""What the texts say of the project is so: links lead somewhere, and what is to be typed can be typed."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from docs import calling, texts
from reference import pages
from runexpd import settings
from runexpd.experiments import documents

#: What a configuration's lines begin with.
SECTIONS = set(settings.Settings.__struct_fields__)
#: Where the reference is, once the site is made.
MADE = texts.ROOT / "docs" / "reference"


@pytest.mark.parametrize("path", texts.TEXTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    relative = [link for link in texts.links(path.read_text()) if "://" not in link]
    assert [link for link in relative if not _leads_somewhere(path, link)] == []


def _leads_somewhere(path: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = path.parent / name if name else path
    if target.parent == MADE:
        return target.stem in pages.all() and not anchor
    return target.exists() and (not anchor or anchor in texts.anchors(target.read_text()))


@pytest.mark.parametrize("path", texts.TEXTS, ids=lambda path: path.name)
def test_every_command_can_be_typed(path: Path) -> None:
    text = path.read_text()
    assert [why for block in texts.blocks(text) for why in _wrong(block, whole=True)] == []
    assert [why for span in texts.spans(text) for why in _wrong(span, whole=False)] == []


def _wrong(code: str, whole: bool) -> list[str]:
    looked = [(words, calling.wrong(words, whole)) for words in texts.commands(code)]
    return [f"{' '.join(words)}: {why}" for words, why in looked if why]


def _configurations() -> Iterator[tuple[str, str]]:
    for path in texts.TEXTS:
        for part in (part for block in texts.blocks(path.read_text()) for part in block.split("\n\n")):
            with suppress(yaml.YAMLError):
                if isinstance(read := yaml.safe_load(part), dict) and set(read) <= SECTIONS:
                    yield path.name, part


@pytest.mark.parametrize(("where", "text"), _configurations())
def test_every_configuration_is_one(where: str, text: str) -> None:
    assert documents.load(text, where, settings.Settings, "")


def test_there_are_configurations_of_each_section() -> None:
    assert {section for _, text in _configurations() for section in yaml.safe_load(text)} == SECTIONS


def test_the_readme_has_the_defaults_of_this_machine() -> None:
    (local,) = (
        text for where, text in _configurations() if where == "README.md" and "local" in yaml.safe_load(text)
    )
    assert settings.parse(local, "README.md") == settings.Settings()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("runexp nosuch exp7", "no command is called nosuch"),
        ("ls && RUNEXP_HOME=DIR runexp run --nosuch exp7  # tried", "No such option '--nosuch'."),
        ("runexp report --format pdf exp7", "'pdf' is not one of"),
        ("runexp daemon begin", "no command is called begin"),
        ("runexp show exp7", "no JOB"),
        ("runexp init exp1 exp2", "too many words"),
        ("runexpd --check --nosuch", "No such option '--nosuch'."),
        ("runexp notify", "which command of it?"),
    ],
)
def test_a_command_that_there_is_none_of_is_noticed(line: str, why: str) -> None:
    (found,) = _wrong(line, whole=True)
    assert why in found


def test_what_may_be_left_out_is_none_of_what_is_typed() -> None:
    (span,) = texts.spans("As `runexp logs [-f] [-n LINES] EXP [JOB...]` has it")
    assert list(texts.commands(span)) == [["runexp", "logs", "-f", "-n", "LINES", "EXP", "JOB"]]


def test_a_link_that_leads_nowhere_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# What is it, then?\n")
    assert _leads_somewhere(tmp_path / "here.md", "there.md#what-is-it-then")
    assert not _leads_somewhere(tmp_path / "here.md", "there.md#gone")
    assert not _leads_somewhere(tmp_path / "here.md", "gone.md")
    assert _leads_somewhere(texts.ROOT / "docs" / "here.md", "reference/states.md")
    assert not _leads_somewhere(texts.ROOT / "docs" / "here.md", "reference/gone.md")
