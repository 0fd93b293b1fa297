"""Checkpoints that torch.save wrote (`safe_serialization: False`): whole, or not."""

import json
import struct
from pathlib import Path

import pytest

from fakes.evidence import answered
from runexpd.tools import checkpoint
from runexpd.tools.torch_zip import whole_bytes

pytestmark = pytest.mark.real

SHARDS = [f"model-0000{n}-of-00002.bin" for n in (1, 2)]


@pytest.fixture
def epoch(tmp_path: Path) -> Path:
    """As torchtune's FullModelHFCheckpointer writes it."""
    import torch  # which takes two seconds

    for name in SHARDS:
        torch.save({name: torch.zeros(300)}, tmp_path / name)
    index = {"weight_map": {name: name for name in SHARDS}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    return tmp_path


def problem(epoch: Path) -> str:
    (found,) = answered(checkpoint.inspect([str(epoch)]))
    return found.problem.text if found.problem else ""


def test_what_torch_wrote_is_whole(epoch: Path) -> None:
    (found,) = answered(checkpoint.inspect([str(epoch)]))
    assert found.problem is None
    assert [Path(shard.path).name for shard in found.shards] == SHARDS


@pytest.mark.parametrize("lost", [1, 21, 60, 97, 500, 1200])
def test_what_was_cut_short_is_not(epoch: Path, lost: int) -> None:
    shard = epoch / SHARDS[1]
    shard.write_bytes(shard.read_bytes()[:-lost])
    assert problem(epoch) == f"{SHARDS[1]} is no whole bin file"


def test_what_lacks_a_part_in_the_middle_is_not(epoch: Path) -> None:
    shard = epoch / SHARDS[0]
    whole = shard.read_bytes()
    shard.write_bytes(whole[:400] + whole[500:])
    assert problem(epoch) == f"{SHARDS[0]} has {len(whole) - 100} of {len(whole)} bytes"


def test_a_shard_that_is_missing_or_of_another_kind_is_named(epoch: Path) -> None:
    (epoch / SHARDS[0]).unlink()
    assert problem(epoch) == f"lacks {SHARDS[0]}"
    (epoch / "pytorch_model.bin.index.json").write_text('{"weight_map": {"w": "model.pth"}}')
    (epoch / "model.pth").write_text("x")
    assert problem(epoch) == "model.pth is of no known format (.safetensors, .bin, .pt)"


def test_safetensors_come_first_as_with_transformers(epoch: Path) -> None:
    (epoch / "model.safetensors.index.json").write_text(
        '{"weight_map": {"w": "model-00001-of-00001.safetensors"}}'
    )
    assert problem(epoch) == "lacks model-00001-of-00001.safetensors"


def test_a_large_archive_says_its_size_in_the_longer_records() -> None:
    size, offset = 1 << 20, 5 << 30
    end_64 = b"PK\6\6" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 9, 9, size, offset)
    locator = b"PK\6\7" + struct.pack("<LQL", 0, offset + size, 1)
    end = b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, 9, 9, size, 0xFFFFFFFF, 0)
    assert whole_bytes(end_64 + locator + end) == offset + size + len(end_64 + locator + end)
    assert whole_bytes(b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, 9, 9, 70, 1000, 0)) == 1092
    assert whole_bytes(b"no archive") is None
    assert whole_bytes(b"PK\5\6" + bytes(18)) is None, "an archive with nothing in it is no proof"
