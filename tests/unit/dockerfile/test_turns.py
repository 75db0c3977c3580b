from __future__ import annotations

import threading

import pytest

from composer import errors
from composer.dockerfile.turns import Turns
from tests.fakes.builds import Signal


def test_the_second_waits_for_the_first() -> None:
    turns, order, has_begun = Turns(), [], threading.Event()

    def second() -> None:
        has_begun.set()
        with turns.hold("key", Signal()):
            order.append("second")

    thread = threading.Thread(target=second)
    with turns.hold("key", Signal()):
        thread.start()
        assert has_begun.wait(5)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]
    assert turns._turns == {}


def test_other_names_do_not_wait() -> None:
    turns = Turns()
    with turns.hold("a", Signal()), turns.hold("b", Signal()):
        assert set(turns._turns) == {"a", "b"}


def test_waiting_stops_when_told() -> None:
    turns = Turns()
    with turns.hold("a", Signal()), pytest.raises(errors.Interrupted), turns.hold("a", Signal(after=0)):
        pytest.fail("the turn was given twice")
