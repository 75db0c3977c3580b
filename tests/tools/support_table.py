"""The support table of ``docs/compatibility.md``, made from ``composer.stackfile.support``.

``python -m tests.tools.support_table`` writes it into the page; a test compares the two.
"""

from __future__ import annotations

from pathlib import Path

from composer.stackfile import support
from composer.stackfile.support import Support
from tests.tools.attribute_tests import TESTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
BEGIN, END = "<!-- support:begin -->", "<!-- support:end -->"
_WORDS = {
    Support.HONOURED: "honoured",
    Support.IDLE: "no effect",
    Support.REFUSED: "`up` refuses it",
}


def table() -> str:
    """One line for each attribute whose support is its own; the rest goes with the line above it."""
    lines = ["| attribute | support | | test |", "|---|---|---|---|"]
    for pattern in support.patterns():
        row = support.row_for(pattern)
        if row is not None and row.path == pattern:
            test = f"`tests/{TESTS[pattern]}`" if row.support is Support.HONOURED and pattern in TESTS else ""
            lines.append(f"| `{pattern.replace('.*', '')}` | {_WORDS[row.support]} | {row.note} | {test} |")
    return "\n".join(lines)


def page_with_table(page: str) -> str:
    """The page with the table between its marks."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(page_with_table(PAGE.read_text("utf-8")), "utf-8")
