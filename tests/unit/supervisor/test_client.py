"""Errors cross the socket as what they are."""

from __future__ import annotations

import json

import pytest

from composer import errors
from composer.registry.transport import ConnectionFailed
from composer.supervisor import client


@pytest.mark.parametrize(
    "error",
    [
        errors.OperationFailed("a", hint="b"),
        errors.PortTaken("a"),
        errors.BuildError("a", output="said"),
        errors.StackFileError([errors.Problem("a", file="f", line=3)]),
        errors.HostUnsupported("a", hint="b"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_comes_out_is_what_went_in(error: errors.ComposerError) -> None:
    found = client.error_from(json.loads(json.dumps(client.error_to_json(error))))
    assert type(found) is type(error)
    assert (found.message, found.hint, found.exit_code) == (error.message, error.hint, error.exit_code)


def test_a_kind_of_a_package_is_the_nearest_one_of_the_tree() -> None:
    found = client.error_from(client.error_to_json(ConnectionFailed("no way", hint="h", is_connecting=True)))
    assert type(found) is errors.RegistryUnreachable
    assert found.exit_code == 18


def test_what_nobody_knows_is_an_internal_error() -> None:
    assert client.error_from({"kind": "Nonsense", "message": "m"}).exit_code == 70
