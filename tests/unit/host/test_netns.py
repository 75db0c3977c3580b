"""Visits to network namespaces."""

from __future__ import annotations

import os

import pytest

from composer import errors
from composer.host import netns


def _identity() -> int:
    return os.stat("/proc/thread-self/ns/net").st_ino


def test_namespace_of_nobody_is_a_network_failure() -> None:
    with pytest.raises(errors.NetworkFailure, match="999999999"):
        netns.open_of(999999999)


@pytest.mark.root
def test_visitor_is_inside_and_the_caller_stays() -> None:
    seen = []
    before = _identity()
    namespace = netns.make(lambda descriptor: seen.append((_identity(), os.fstat(descriptor).st_ino)))
    try:
        assert netns.run_in(namespace.descriptor, _identity) == seen[0][0] == seen[0][1]
        assert seen[0][0] != before
        assert _identity() == before
        assert os.stat(namespace.path).st_ino == seen[0][0]
    finally:
        namespace.close()
    namespace.close()
    with pytest.raises(FileNotFoundError):
        os.stat(namespace.path)


@pytest.mark.root
def test_failure_inside_comes_home_and_leaks_nothing() -> None:
    def fail(_descriptor: int) -> None:
        raise errors.NetworkFailure("inside")

    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(errors.NetworkFailure, match="inside"):
        netns.make(fail)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.root
def test_not_a_namespace_is_refused() -> None:
    with open("/dev/null", "rb") as file, pytest.raises(errors.NetworkFailure, match="setns"):
        netns.run_in(file.fileno(), lambda: None)
