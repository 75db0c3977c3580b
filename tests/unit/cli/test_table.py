"""Tables and sizes look like docker's."""

import pytest

from composer.cli import table


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    text = table.table(("NAME", "STATUS"), [("a", "Up"), ("longer-name", "")])
    assert text == "NAME          STATUS\na             Up\nlonger-name\n"


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "0B"),
        (999, "999B"),
        (1000, "1kB"),
        (1_234_567, "1.23MB"),
        (74_800_000, "74.8MB"),
        (5 * 10**15, "5000TB"),
    ],
)
def test_sizes(size: int, expected: str) -> None:
    assert table.human_size(size) == expected


def test_shortening_marks_the_cut() -> None:
    assert table.shortened("abcdef", 6) == "abcdef"
    assert table.shortened("abcdefg", 6) == "abcde…"
