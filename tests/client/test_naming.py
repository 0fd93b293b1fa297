"""What a directory is taken for as it is typed."""

from pathlib import Path

import pytest

from runexp import naming


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("della:/scratch/exp", ("della", "/scratch/exp")),
        ("della:exp", ("della", "exp")),
        ("della:", ("della", "")),
        ("local:exp", ("local", "{here}/exp")),
        ("local:", ("local", "{here}")),
        ("exp", ("local", "{here}/exp")),
        (".", ("local", "{here}")),
        ("~/exp", ("local", "{home}/exp")),
        ("/a/b:c", ("local", "/a/b:c")),
        ("there:is", ("local", "{here}/there:is")),
    ],
)
def test_a_place(typed: str, meant: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there:is").mkdir()
    cluster, path = meant
    assert naming.place(typed) == (cluster, path.format(here=tmp_path, home=Path.home()))
