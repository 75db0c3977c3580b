from __future__ import annotations

import threading

import pytest

from composer import errors
from composer.dockerfile.parallel import Parallel
from composer.dockerfile.stop import Stop
from composer.host.process import StopFlag


def test_each_piece_is_done_once_and_independent_ones_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=20)
    done: list[int] = []

    def work(number: int) -> int:
        if number == 0:
            parallel.begin(1)
            parallel.begin(2)
            return parallel.result(1) + parallel.result(2) + parallel.result(1)
        meeting.wait()
        done.append(number)
        return number

    parallel = Parallel(work, Stop(StopFlag()))
    assert parallel.finish(0) == 4
    assert sorted(done) == [1, 2]


def test_the_first_failure_is_the_one_that_is_raised_and_stops_the_others() -> None:
    stop = Stop(StopFlag())
    has_begun = threading.Event()
    ended: list[str] = []

    def work(number: int) -> int:
        if number == 0:
            parallel.begin(1)
            parallel.begin(2)
            return parallel.result(1)
        if number == 1:
            has_begun.set()
            woken = threading.Event()
            stop.on_set(woken.set)
            ended.append("stopped" if woken.wait(20) else "forgotten")
            stop.check()
        has_begun.wait(20)
        message = "the cause"
        raise errors.BuildError(message)

    parallel = Parallel(work, stop)
    with pytest.raises(errors.BuildError, match="the cause"):
        parallel.finish(0)
    assert ended == ["stopped"]


def test_a_caller_that_stops_is_obeyed() -> None:
    flag = StopFlag()

    def work(number: int) -> int:
        if number == 0:
            parallel.begin(1)
            flag.set()
            return parallel.result(1)
        woken = threading.Event()
        stop.on_set(woken.set)
        woken.wait(20)
        stop.check()
        return 1

    stop = Stop(flag)
    parallel = Parallel(work, stop)
    with pytest.raises(errors.Interrupted):
        parallel.finish(0)
