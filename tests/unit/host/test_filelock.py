"""Locks: exclusive, shared, gone with their holder; those that vanish leave no file."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from composer import errors
from composer.host import filelock


def test_a_held_lock_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with filelock.hold(path), pytest.raises(errors.ConflictError, match=f"process {os.getpid()}"):
        with filelock.hold(path, seconds=0.02):
            pass
    with filelock.hold(path, seconds=0.02), filelock.hold_if_free(path) as is_held:
        assert not is_held


def test_shared_holders_keep_an_exclusive_one_out(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with filelock.hold(path, shared=True), filelock.hold(path, shared=True):
        with filelock.hold_if_free(path) as is_held:
            assert not is_held
    with filelock.hold_if_free(path) as is_held:
        assert is_held


def test_one_at_a_time_and_no_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "one"
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(20):
            with filelock.hold(path, vanishes=True):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert not path.exists()


def test_sweeping_spares_what_is_held(tmp_path: Path) -> None:
    held, left = tmp_path / "held", tmp_path / "left"
    left.touch()
    with filelock.hold(held, vanishes=True):
        filelock.sweep(tmp_path)
        assert held.exists()
        assert not left.exists()
    filelock.sweep(tmp_path / "nowhere")
