"""Lists in each of the forms that --format asks for."""

import pytest

from composer import errors
from composer.cli.listing import aligned, listed

HEADERS = {"ID": "CONTAINER ID", "Names": "NAMES", "Status": "STATUS"}
ROWS = [
    {"ID": "0123456789ab", "Names": "web", "Status": "Up 3 seconds"},
    {"ID": "ba9876543210", "Names": "a-longer-name", "Status": ""},
]
DEFAULT = "{{.ID}}\t{{.Status}}\t{{.Names}}"


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (
            "",
            [
                "CONTAINER ID   STATUS         NAMES",
                "0123456789ab   Up 3 seconds   web",
                "ba9876543210                  a-longer-name",
            ],
        ),
        ("table {{.Names}}\\t{{.ID}}", ["NAMES           CONTAINER ID", "web             0123456789ab", "a-longer-name   ba9876543210"]),
        ("table {{upper .Names}}", ["NAMES", "WEB", "A-LONGER-NAME"]),
        ("table {{json .Names}}\t{{truncate .ID 2}}", ["NAMES             CONTAINER ID", '"web"             01', '"a-longer-name"   ba']),
        ("{{.Names}}: {{.Status}}", ["web: Up 3 seconds", "a-longer-name: "]),
        ("{{.Names}}\\n-", ["web", "-", "a-longer-name", "-"]),
        ("json", ['{"ID":"0123456789ab","Names":"web","Status":"Up 3 seconds"}', '{"ID":"ba9876543210","Names":"a-longer-name","Status":""}']),
    ],
)  # fmt: skip
def test_forms(form: str, expected: list[str]) -> None:
    assert listed(form, ROWS, HEADERS, DEFAULT) == expected


def test_table_is_its_default() -> None:
    assert listed("table", ROWS, HEADERS, DEFAULT) == listed("", ROWS, HEADERS, DEFAULT)


def test_no_rows_still_show_a_header_and_find_a_wrong_field() -> None:
    assert listed("", [], HEADERS, DEFAULT) == ["CONTAINER ID   STATUS    NAMES"]
    assert listed("{{.Names}}", [], HEADERS, DEFAULT) == []
    with pytest.raises(errors.UsageError, match="no field .Nope"):
        listed("{{.Nope}}", [], HEADERS, DEFAULT)


def test_a_narrow_column_is_ten_wide_and_the_last_cell_is_not_padded() -> None:
    assert aligned(["a\tb", "abc\td"]) == ["a         b", "abc       d"]
