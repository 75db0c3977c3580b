"""What requests ask for, as values."""

from __future__ import annotations

import pytest

from composer.model.stack import Dependency, Service, Stack
from composer.supervisor import asking

STACK = Stack(
    name="s",
    directory="/d",
    files=(),
    services={
        "web": Service(name="web", depends_on={"db": Dependency(), "quiet": Dependency()}),
        "db": Service(name="db"),
        "quiet": Service(name="quiet", attach=False),
    },
)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, {"web", "db"}),
        ({"services": ["web"]}, {"web"}),
        ({"services": ["web"], "attach_dependencies": True}, {"web", "db"}),
        ({"attach": ["quiet"]}, {"quiet"}),
        ({"no_attach": ["db"]}, {"web"}),
        ({"services": ["gone", "db"]}, {"db"}),
    ],
)
def test_whose_output_is_shown(arguments: dict[str, object], expected: set[str]) -> None:
    assert set(asking.attached(arguments, STACK)) == expected
