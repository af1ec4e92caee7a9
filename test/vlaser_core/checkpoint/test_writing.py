"""A conversion that is interrupted, killed or out of room leaves what was there before, and nothing else."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import time
from pathlib import Path

import pytest
from safetensors import SafetensorError
from safetensors.torch import save_file

from vlaser_core.checkpoint.folder import load_checkpoint, save_checkpoint
from vlaser_core.checkpoint.writing import check_destination, complete_folder
from vlaser_core.errors import CheckpointError


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


@pytest.mark.parametrize(
    "fault",
    [KeyboardInterrupt(), OSError(28, "No space left on device"), SafetensorError("I/O error"), CheckpointError("wrong"), SystemExit(1)],
)
@pytest.mark.parametrize("there", [True, False])
def test_a_block_that_fails_changes_nothing(tmp_path, fault, there):
    target = tmp_path / "new" / "folder"
    if there:
        target.mkdir(parents=True)
        (target / "kept").write_text("as it was")
    before = contents(tmp_path)
    with pytest.raises((CheckpointError, KeyboardInterrupt, SystemExit)) as told, complete_folder(target) as partial:
        (partial / "half").write_text("half")
        raise fault
    assert contents(tmp_path) == before
    if isinstance(fault, (OSError, SafetensorError)):
        assert f"cannot write {target}" in str(told.value)


def test_a_complete_folder_replaces_the_old_one_whole(tmp_path):
    target = tmp_path / "folder"
    for number in range(2):
        with complete_folder(target) as partial:
            (partial / f"file{number}").write_text("new")
            assert not target.exists() or list(contents(target)) == ["file0"]
    assert list(contents(tmp_path)) == ["folder", "folder/file1"]


def test_an_interrupt_while_the_old_folder_is_exchanged_brings_it_back(tmp_path, monkeypatch):
    from vlaser_core.checkpoint import writing

    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "kept").write_text("as it was")
    before, replace, calls = contents(tmp_path), writing.os.replace, []

    def interrupted(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(writing.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt), complete_folder(tmp_path / "folder"):
        pass
    assert contents(tmp_path) == before


@pytest.mark.parametrize("left", [".folder.unfinished", ".folder.replaced"])
def test_what_a_killed_process_left_is_cleared_or_brought_back(tmp_path, left):
    (tmp_path / left).mkdir()
    (tmp_path / left / "kept").write_text("x")
    with pytest.raises(RuntimeError), complete_folder(tmp_path / "folder"):
        raise RuntimeError
    # The old folder had only been moved aside; the unfinished one was never a checkpoint.
    assert list(contents(tmp_path)) == (["folder", "folder/kept"] if left.endswith("replaced") else [])


def test_folders_of_a_persons_own_beside_the_new_one_are_left_alone(tmp_path):
    for name in ("folder.old", "folder.part", "folder.bak"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kept").write_text("mine")
    before = contents(tmp_path)
    with complete_folder(tmp_path / "folder") as partial:
        (partial / "file").write_text("new")
    assert contents(tmp_path) == before | {"folder": None, "folder/file": b"new"}


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    with complete_folder(tmp_path / "link") as partial:
        (partial / "file").write_text("new")
    assert (tmp_path / "link").is_symlink() and list(contents(tmp_path / "disk")) == ["file"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "link"]


@pytest.mark.parametrize(
    ("folder", "overwrite", "message"),
    [
        ("models/published", True, "is the source"),
        ("models", True, "holds the source"),
        (".", True, "holds the source"),
        ("file", True, "is a file, and a checkpoint is a folder"),
        ("ours", False, r"exists; .*--overwrite"),
        ("photos", True, "is no checkpoint .* so it is not replaced"),
        ("photos", False, "exists"),
    ],
)
def test_only_a_checkpoint_is_replaced_and_only_when_asked(tmp_path, monkeypatch, folder, overwrite, message):
    for name in ("models/published/config.json", "ours/config.json", "ours/model.safetensors", "photos/cat.png", "file"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    monkeypatch.chdir(tmp_path)
    source = Path("models/published")
    with pytest.raises(CheckpointError, match=message):
        check_destination(Path(folder), source, overwrite=overwrite)
    (tmp_path / "empty").mkdir()
    for good in ("ours", "empty", "models/new", "new/and/deeper"):
        check_destination(Path(good), source, overwrite=True)


def test_a_disk_without_room_for_the_weights_is_told_and_the_old_checkpoint_stays(tiny, tiny_folder):
    """The room is taken away by the system itself: no file may grow beyond 64 kB."""
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = contents(tiny_folder.parent)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, limits[1]))
    try:
        with pytest.raises(CheckpointError, match="cannot write"):
            save_checkpoint(tiny, tiny_folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert contents(tiny_folder.parent) == before
    load_checkpoint(tiny_folder)


def test_ctrl_c_in_the_middle_of_writing_leaves_nothing(tiny, tmp_path, monkeypatch):
    """In a process of its own that has been forked, so that nothing is loaded anew."""
    context = multiprocessing.get_context("fork")
    writing = context.Event()

    def slow(weights, path, metadata):
        save_file(dict(list(weights.items())[:3]), path, metadata)
        writing.set()
        time.sleep(300)

    def work():
        # A test runner in the background may have been started with interrupts ignored, and a child inherits that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        save_checkpoint(tiny, tmp_path / "converted")

    monkeypatch.setattr("vlaser_core.checkpoint.folder.save_file", slow)
    process = context.Process(target=work)
    process.start()
    assert writing.wait(60) and (tmp_path / ".converted.unfinished").exists()
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    assert process.exitcode == 1 and list(tmp_path.iterdir()) == []
