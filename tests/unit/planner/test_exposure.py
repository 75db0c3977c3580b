"""Ports that are open on every address are said."""

from __future__ import annotations

import pytest

from composer.model.container import ContainerSpec
from composer.model.stack import PublishedPort
from composer.planner import exposure


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ((), ""),
        ((PublishedPort(target=80, published=80, host_ip="127.0.0.1"),), ""),
        ((PublishedPort(target=80, published=8080),), " (opens 8080/tcp on every address)"),
        (
            (
                PublishedPort(target=53, published=53, protocol="udp", host_ip="::"),
                PublishedPort(target=80),
                PublishedPort(target=81, published=90, last=99, host_ip="0.0.0.0"),
            ),
            " (opens 53/udp, a free port for 80/tcp, one of 90-99/tcp on every address)",
        ),
    ],
)
def test_told(ports: tuple[PublishedPort, ...], expected: str) -> None:
    spec = ContainerSpec(stack="s", service="web", number=1, name="s-web-1", image="x", ports=ports)
    assert exposure.told(spec) == expected
