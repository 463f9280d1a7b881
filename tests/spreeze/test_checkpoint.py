"""Checkpoints: whole or not there, refused when changed, and never more than data."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from spreeze.checkpoint import Checkpoints, digest, read_manifest, seal, verify

DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError)


def commit(checkpoints: Checkpoints, number: int) -> Path:
    """A checkpoint whose only tensor is `number`."""
    staging = checkpoints.begin()
    save_file({"number": np.array([number])}, staging / "part-critic.safetensors")
    return checkpoints.commit(staging, {"number": number})


def newest(checkpoints: Checkpoints) -> int:
    """The number in the newest intact checkpoint, which its file confirms."""
    found = checkpoints.newest_intact()
    assert found is not None
    number = int(found.manifest["number"])
    assert load_file(found.folder / "part-critic.safetensors")["number"] == number
    return number


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    """Two checkpoints, numbered 1 and 2."""
    made = Checkpoints(tmp_path / "checkpoints")
    commit(made, 1)
    commit(made, 2)
    return made


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none").newest_intact() is None


def test_the_newest_is_found_and_the_last_two_are_kept(checkpoints: Checkpoints) -> None:
    assert newest(checkpoints) == 2
    commit(checkpoints, 3)
    assert newest(checkpoints) == 3
    assert [path.name for path in checkpoints.all()] == ["checkpoint-00000002", "checkpoint-00000003"]


def test_numbers_go_on_in_a_process_that_comes_later(checkpoints: Checkpoints) -> None:
    assert commit(Checkpoints(checkpoints.folder), 3).name == "checkpoint-00000003"


def test_kinds_do_not_disturb_each_other(checkpoints: Checkpoints) -> None:
    best = Checkpoints(checkpoints.folder, "best", keep=1)
    staging = checkpoints.begin()
    commit(best, 10)
    commit(best, 11)
    assert staging.is_dir()
    assert [path.name for path in best.all()] == ["best-00000002"]
    assert newest(checkpoints) == 2


def test_what_was_never_committed_does_not_count_and_the_next_begin_removes_it(checkpoints: Checkpoints) -> None:
    stale = checkpoints.begin()
    (stale / "part-critic.safetensors").write_bytes(b"half")
    assert newest(checkpoints) == 2
    assert list(checkpoints.begin().iterdir()) == []


def test_a_staging_folder_is_private(checkpoints: Checkpoints) -> None:
    assert checkpoints.begin().stat().st_mode & 0o777 == 0o700


ENDLESS_WRITER = """
import sys
from pathlib import Path
import numpy as np
from safetensors.numpy import save_file
from spreeze.checkpoint import Checkpoints, read_manifest, seal

checkpoints, number = Checkpoints(Path(sys.argv[1])), 100
while True:
    number += 1
    staging = checkpoints.begin()
    for name in ("part-critic", "part-actor"):
        save_file({"number": np.full(50_000, number)}, staging / f"{name}.safetensors")
    checkpoints.commit(staging, {"number": number})
    print(number, flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_an_intact_checkpoint(tmp_path: Path) -> None:
    seen = 0
    for index in range(5):
        command = [sys.executable, "-c", ENDLESS_WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(1 + 3 * index):
                announced = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
        found = Checkpoints(tmp_path).newest_intact()
        assert found is not None and found.manifest["number"] >= announced
        assert (load_file(found.folder / "part-actor.safetensors")["number"] == found.manifest["number"]).all()
        numbers = [int(path.name[-8:]) for path in Checkpoints(tmp_path).all()]
        assert max(numbers) > seen
        seen = max(numbers)


def truncate(folder: Path) -> None:
    os.truncate(folder / "part-critic.safetensors", 20)


def change_one_bit(folder: Path) -> None:
    data = bytearray((folder / "part-critic.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "part-critic.safetensors").write_bytes(data)


def remove(folder: Path) -> None:
    (folder / "part-critic.safetensors").unlink()


def remove_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def truncate_manifest(folder: Path) -> None:
    os.truncate(folder / "manifest.json", 30)


def empty_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("[]")


def edit_manifest(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    """Change a manifest as somebody would who can seal it."""
    manifest = read_manifest(folder)
    change(manifest)
    (folder / "manifest.json").write_text(seal(manifest))


def raise_format(folder: Path) -> None:
    edit_manifest(folder, lambda manifest: manifest.update(format=99))


def name_no_files(folder: Path) -> None:
    edit_manifest(folder, lambda manifest: manifest.pop("files"))


def name_files_by_list(folder: Path) -> None:
    edit_manifest(folder, lambda manifest: manifest.update(files=["part-critic.safetensors"]))


def replace_by_link(folder: Path) -> None:
    """A link to a file with the very same contents."""
    original = folder / "part-critic.safetensors"
    original.rename(folder.parent / "elsewhere")
    original.symlink_to(folder.parent / "elsewhere")


def entry_of(path: Path) -> dict[str, object]:
    return {"size": path.stat().st_size, "sha256": digest(path)}


def climb_out(folder: Path) -> None:
    """A file outside of the checkpoint, with its right digest."""
    outside = folder.parent / "outside"
    outside.write_bytes(b"secret")
    edit_manifest(folder, lambda manifest: manifest.update(files={"../outside": entry_of(outside)}))


def name_absolute_path(folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.write_bytes(b"secret")
    edit_manifest(folder, lambda manifest: manifest.update(files={str(outside): entry_of(outside)}))


def climb_out_of_the_stores(folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.write_bytes(b"secret")
    (folder.parent / "stores").mkdir()
    file = {"file": "../outside", **entry_of(outside)}
    edit_manifest(folder, lambda manifest: manifest.update(stores={"replay": {"words": [], "files": [file]}}))


def lose_a_file_of_a_store(folder: Path) -> None:
    file = {"file": "replay-0-0-9-abc.rows", "size": 5, "sha256": "0" * 64}
    edit_manifest(folder, lambda manifest: manifest.update(stores={"replay": {"words": [], "files": [file]}}))


HARM = [
    truncate, change_one_bit, remove, remove_manifest, truncate_manifest, empty_manifest, raise_format, name_no_files,
    name_files_by_list, replace_by_link, climb_out, name_absolute_path, climb_out_of_the_stores, lose_a_file_of_a_store,
]  # fmt: skip


@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_checkpoint_is_told_and_the_one_before_is_used(
    harm: Callable[[Path], None], checkpoints: Checkpoints
) -> None:
    harm(checkpoints.all()[-1])
    with pytest.raises(DAMAGE):
        verify(checkpoints.all()[-1])
    damaged: list[str] = []
    found = checkpoints.newest_intact(damaged)
    assert found is not None and found.manifest["number"] == 1
    assert len(damaged) == 1
    assert damaged[0].startswith("checkpoint-00000002 is damaged: ")


@pytest.mark.parametrize("harm", [truncate, change_one_bit, replace_by_link])
def test_the_damaged_file_is_named(harm: Callable[[Path], None], checkpoints: Checkpoints) -> None:
    harm(checkpoints.all()[-1])
    damaged: list[str] = []
    checkpoints.newest_intact(damaged)
    assert "part-critic.safetensors" in damaged[0]


def test_if_all_are_damaged_there_is_none_and_each_is_told(checkpoints: Checkpoints) -> None:
    for folder in checkpoints.all():
        truncate(folder)
    damaged: list[str] = []
    assert checkpoints.newest_intact(damaged) is None
    assert len(damaged) == 2


def test_a_hostile_pickle_under_the_name_of_tensors_runs_nothing(tmp_path: Path) -> None:
    checkpoints, target = Checkpoints(tmp_path / "checkpoints"), tmp_path / "harmed"
    staging = checkpoints.begin()
    hostile = staging / "part-critic.safetensors"
    hostile.write_text(f"cos\nmkdir\n(V{target}\ntR.")
    folder = verify(checkpoints.commit(staging, {})).folder
    with pytest.raises(SafetensorError):
        load_file(folder / hostile.name)
    assert not target.exists()
    subprocess.run([sys.executable, "-m", "pickle", str(folder / hostile.name)], capture_output=True, check=True)
    assert target.exists(), "the bytes would have done harm"


def test_a_folder_that_is_no_checkpoint_is_passed_over(checkpoints: Checkpoints) -> None:
    (checkpoints.folder / "checkpoint-notes").mkdir()
    (checkpoints.folder / "checkpoint-00000009").write_text("a file")
    assert newest(checkpoints) == 2
    assert commit(checkpoints, 3).name == "checkpoint-00000003"


def change_a_number(folder: Path) -> None:
    """Change what the manifest says, and nothing that its files would show."""
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('"number": 2', '"number": 3'))


def test_a_changed_number_of_a_manifest_is_noticed(checkpoints: Checkpoints) -> None:
    newest = checkpoints.all()[-1]
    assert verify(newest).manifest["number"] == 2
    change_a_number(newest)
    with pytest.raises(ValueError, match=r"manifest\.json differs from its digest"):
        verify(newest)


def test_a_manifest_of_the_format_before_is_read(checkpoints: Checkpoints) -> None:
    newest = checkpoints.all()[-1]
    (newest / "manifest.json").write_text(json.dumps(read_manifest(newest) | {"format": 1}))
    assert verify(newest).manifest["number"] == 2


def test_a_manifest_that_lost_its_digest_is_not_taken_for_an_older_one(checkpoints: Checkpoints) -> None:
    newest = checkpoints.all()[-1]
    (newest / "manifest.json").write_text(json.dumps(read_manifest(newest)))
    with pytest.raises(ValueError, match="digest"):
        verify(newest)
