"""When an attached ``up`` ends, and with which code."""

import pytest

from composer.cli import foreground
from tests.fakes.supervisor import row


@pytest.mark.parametrize(
    ("rows", "completing", "expected"),
    [
        ([row("web-1")], (), None),
        ([row("web-1"), row("db-1", State="exited", ExitCode=0)], (), "demo-db-1"),
        ([row("migrate-1", State="exited", ExitCode=0), row("web-1")], ("migrate",), None),
        ([row("migrate-1", State="exited", ExitCode=2), row("web-1")], ("migrate",), "demo-migrate-1"),
        ([row("web-1", State="restarting", ExitCode=1)], (), None),
        ([row("web-1", State="created")], (), None),
    ],
)
def test_whose_end_ends_the_stack(
    rows: list[dict[str, object]], completing: tuple[str, ...], expected: str | None
) -> None:
    culprit = foreground.first_ended(rows, completing)
    assert (culprit and culprit["Name"]) == expected


def test_only_a_failure_ends_the_stack_where_that_was_asked() -> None:
    well, ill = row("a-1", State="exited", ExitCode=0), row("b-1", State="exited", ExitCode=1)
    assert foreground.first_ended([well], (), only_failures=True) is None
    assert foreground.first_ended([well, ill], (), only_failures=True) == ill


def test_the_exit_code_of_a_service() -> None:
    rows = [row("t-1", ExitCode=0), row("t-2", ExitCode=3), row("web-1", ExitCode=137)]
    assert foreground.exit_code_of(rows, "t") == 3
    assert foreground.exit_code_of(rows, "web") == 137
    assert foreground.exit_code_of(rows, "absent") == 0
