"""``port``."""

import pytest

from composer import errors
from composer.cli.commands import port
from tests.fakes.command_line import Stage
from tests.fakes.supervisor import FakeConnection, row


def published(url: str, target: int, number: int, protocol: str = "tcp") -> dict[str, object]:
    return {"URL": url, "TargetPort": target, "PublishedPort": number, "Protocol": protocol}


ROWS = {
    "containers": [
        row("web-1", Publishers=[published("0.0.0.0", 80, 8080), published("::", 80, 8080)]),
        row("web-2", Publishers=[published("127.0.0.1", 53, 5353, "udp"), published("0.0.0.0", 99, 0)]),
    ]
}


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["web", "80"], "0.0.0.0:8080\n[::]:8080\n"),
        (["--index", "2", "--protocol", "udp", "web", "53"], "127.0.0.1:5353\n"),
        (["web", "53/udp", "--index", "2"], "127.0.0.1:5353\n"),
    ],
)
def test_addresses(argv: list[str], expected: str) -> None:
    stage = Stage(FakeConnection({"ps": ROWS}), ["-p", "demo"])
    assert stage.run(port, argv) == 0
    assert stage.out.getvalue() == expected


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["web", "81"], errors.OperationFailed),
        (["--index", "2", "web", "99"], errors.OperationFailed),
        (["--index", "3", "web", "80"], errors.OperationFailed),
        (["web", "http"], errors.UsageError),
    ],
)
def test_what_is_not_published(argv: list[str], error: type[errors.ComposerError]) -> None:
    with pytest.raises(error):
        Stage(FakeConnection({"ps": ROWS}), ["-p", "demo"]).run(port, argv)
