"""What is kept between runs, where, and for whose eyes."""

import os
import stat
from pathlib import Path

import pytest
import torch

from spreeze.cache import cache_key, keep, kept
from spreeze.folders import cache_folder, keep_compiled

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor(7)}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPREEZE_CACHE", str(tmp_path / "of" / "mine"))
    return tmp_path / "of" / "mine"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_was_kept_comes_back() -> None:
    keep("kind", "key", TENSORS)
    found = kept("kind", "key")
    assert found is not None
    assert found.keys() == TENSORS.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items())


def test_a_transposed_tensor_and_one_with_a_gradient_can_be_kept() -> None:
    keep("kind", "key", {"t": TENSORS["a"].t(), "p": torch.nn.Parameter(torch.ones(2))})
    found = kept("kind", "key")
    assert found is not None
    assert torch.equal(found["t"], TENSORS["a"].t())


def test_nothing_is_found_under_another_key_or_kind() -> None:
    keep("kind", "key", TENSORS)
    assert kept("kind", "other") is None
    assert kept("other", "key") is None


def test_the_last_one_kept_counts() -> None:
    keep("kind", "key", {"a": torch.zeros(1)})
    keep("kind", "key", {"a": torch.ones(1)})
    assert torch.equal((kept("kind", "key") or {})["a"], torch.ones(1))


def test_files_and_folders_are_private_whatever_the_mask_allows(folder: Path) -> None:
    before = os.umask(0)
    try:
        keep("kind", "key", TENSORS)
    finally:
        os.umask(before)
    assert mode_of(folder / "kind" / "key.safetensors") == 0o600
    assert mode_of(folder / "kind") == 0o700
    assert mode_of(folder) == 0o700


def test_no_unfinished_file_is_left(folder: Path) -> None:
    keep("kind", "key", TENSORS)
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["key.safetensors"]


@pytest.mark.parametrize("damage", [b"", b"\xff" * 64, None], ids=["empty", "no header", "cut"])
def test_a_damaged_file_counts_as_none(folder: Path, damage: bytes | None) -> None:
    keep("kind", "key", TENSORS)
    file = folder / "kind" / "key.safetensors"
    file.write_bytes(file.read_bytes()[:-5] if damage is None else damage)
    assert kept("kind", "key") is None
    keep("kind", "key", TENSORS)
    assert kept("kind", "key") is not None


def test_a_place_where_nothing_can_be_written_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "of").write_text("a file where a folder should be")
    keep("kind", "key", TENSORS)
    assert kept("kind", "key") is None


def test_the_folder_is_named_by_the_environment_or_lies_in_the_users_cache(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_folder() == folder
    monkeypatch.delenv("SPREEZE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "spreeze"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "spreeze"


def test_a_key_is_a_function_of_its_parts() -> None:
    assert cache_key(a=1, b=[1.5, "x"]) == cache_key(b=[1.5, "x"], a=1)
    assert len({cache_key(a=1), cache_key(a=2), cache_key(b=1), cache_key(a=1.5), cache_key(a=[1])}) == 5
    assert cache_key(a=1).isalnum()


def test_what_is_compiled_is_kept_there_unless_the_user_says_where(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")  # So that it is as before, afterwards.
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    keep_compiled()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(folder / "torchinductor")
    assert stat.S_IMODE((folder / "torchinductor").stat().st_mode) == 0o700
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/elsewhere")
    keep_compiled()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "/elsewhere"


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")  # So that it is as before, afterwards.
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    monkeypatch.setenv("SPREEZE_CACHE", str(tmp_path / "file"))
    keep_compiled()
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ
