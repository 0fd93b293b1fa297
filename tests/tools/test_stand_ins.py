"""The stand-ins of fast tests are like the real tools: the same questions to what both leave behind."""

import json
import re
import shutil
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zipfile_zstd  # noqa: F401 - teaches zipfile method 93

from fakes.experiments import Run, build
from fakes.home import Home
from tools.trainings import Trained

#: Each makes what it compares: by real processes, of the stand-ins as of the tools.
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def fake_experiment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    dir = tmp_path_factory.mktemp("fake")
    home = Home(dir / "home")
    home.start()
    experiment = build(dir / "exp", Run("base", epochs=0), Run("rank8", epochs=2))
    assert home.runexp("run", str(experiment)).returncode == 0
    yield experiment
    home.stop()


@pytest.fixture(params=["fake", pytest.param("real", marks=[pytest.mark.real, pytest.mark.timeout(400)])])
def experiment(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(f"{request.param}_experiment")
    return path


def test_an_epoch_holds_an_index_and_its_shards_whole(experiment: Path) -> None:
    for epoch in (0, 1):
        directory = experiment / "rank8" / "artifacts" / f"epoch_{epoch}"
        index = json.loads((directory / "model.safetensors.index.json").read_text())
        assert set(index) == {"metadata", "weight_map"}
        for name in set(index["weight_map"].values()):
            assert re.fullmatch(r"model-\d{5}-of-\d{5}\.safetensors", name)
            shard = (directory / name).read_bytes()
            assert len(shard) == whole_bytes(shard)
            assert (directory / name).stat().st_mode & 0o777 == 0o600


def whole_bytes(shard: bytes) -> int:
    (length,) = struct.unpack("<Q", shard[:8])
    header = json.loads(shard[8 : 8 + length])
    ends = [t["data_offsets"][1] for name, t in header.items() if name != "__metadata__"]
    return 8 + int(length) + int(max(ends))


def test_copied_files_are_older_than_the_training(experiment: Path) -> None:
    directory = experiment / "rank8" / "artifacts" / "epoch_1"
    shard = next(directory.glob("model-*.safetensors"))
    assert (directory / "config.json").stat().st_mtime < shard.stat().st_mtime


def test_the_disk_log_is_named_by_its_start_and_counts_steps(experiment: Path) -> None:
    (log,) = (experiment / "rank8" / "artifacts" / "logs").iterdir()
    began = int(re.fullmatch(r"log_(\d+)\.txt", log.name)[1])  # type: ignore[index]
    assert began <= log.stat().st_mtime
    steps = re.findall(r"^Step (\d+) \| loss:[\d.e+-]+ lr:", log.read_text(), re.MULTILINE)
    assert [int(step) for step in steps] == list(range(1, len(steps) + 1))


def test_progress_bars_tell_epoch_step_and_loss(experiment: Path) -> None:
    (output,) = (experiment / "rank8" / "artifacts").glob("slurm-*.out")
    found = re.findall(r"(\d+)\|(\d+)\|Loss: ([\d.e+-]+):[^\r\n]*\| (\d+)/(\d+) \[", output.read_text())
    assert {epoch for epoch, *_ in found} == {"1", "2"}
    assert found[-1][3] == found[-1][4]


def test_an_evaluation_log_ends_with_its_header(experiment: Path) -> None:
    log = next((experiment / "base" / "eval").glob("*/logs/*.eval"))
    with zipfile.ZipFile(log) as archive:
        assert archive.namelist()[0] == "_journal/start.json"
        assert archive.namelist()[-1] == "header.json"
        header = json.loads(archive.read("header.json"))
    assert (header["version"], header["status"]) == (2, "success")
    assert header["results"]["total_samples"] == header["results"]["completed_samples"] > 0
    assert header["results"]["scores"][0]["metrics"]["accuracy"]["value"] >= 0
    assert "model_path" in header["eval"]["model_args"]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d", log.name)


@pytest.fixture
def fake_adapter(trained: Trained) -> Path:
    trained.train("--fate", "adapter")
    return trained.rundir


@pytest.fixture
def real_adapter(real_experiment: Path) -> Path:
    """The run of the real experiment that saved nothing but the adapter."""
    run = Path(shutil.copytree(real_experiment / "rank8-adapter", real_experiment / "adapter"))
    (said,) = run.glob("artifacts/slurm-*.out")
    said.rename(said.with_name("slurm-7.out"))
    return run


@pytest.fixture(params=["fake", pytest.param("real", marks=[pytest.mark.real, pytest.mark.timeout(600)])])
def adapter(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A run's directory whose epochs are adapters alone."""
    path: Path = request.getfixturevalue(f"{request.param}_adapter")
    yield path
    shutil.rmtree(path)


def test_an_epoch_of_adapter_weights_alone(adapter: Path) -> None:
    for epoch in (0, 1):
        directory = adapter / "artifacts" / f"epoch_{epoch}"
        names = {path.name for path in directory.iterdir()}
        assert names >= {
            "adapter_config.json",
            "adapter_model.pt",
            "adapter_model.safetensors",
            "config.json",
        }
        assert not [name for name in names if name.startswith("model")]
        weights = (directory / "adapter_model.safetensors").read_bytes()
        assert len(weights) == whole_bytes(weights)
        assert isinstance(json.loads((directory / "adapter_config.json").read_text()), dict)
    said = (adapter / "artifacts" / "slurm-7.out").read_text()
    assert "Adapter checkpoint of size 0.00 GiB saved to" in said
    assert "Checkpoint saved in" in said.partition("Saving final epoch checkpoint.")[2]
