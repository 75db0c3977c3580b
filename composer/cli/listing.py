"""Lists as Docker's commands print them: a table, JSON lines, or a template per row.  Pure.

``--format`` is ``table`` (or nothing), ``json``, ``table TEMPLATE`` (with a header line) or a template.
Columns are laid out as Go's ``text/tabwriter`` does with Docker's settings: ten wide at least, three
spaces between.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from composer.cli.template import Template
from composer.cli.templatefunctions import as_json

_NARROWEST = 10
_GAP = 3

_HEADER_FUNCTIONS: Mapping[str, object] = {
    **dict.fromkeys(("json", "title", "lower", "upper"), lambda name: name),
    "truncate": lambda name, _width: name,
    "pad": lambda name, _before, _after: name,
    "split": lambda name, _separator: [name],
    "join": lambda names, _separator: names[0] if isinstance(names, list) and names else names,
}
"""A header shows the column's name, whatever is done to its values."""


def listed(
    form: str, rows: Sequence[Mapping[str, object]], headers: Mapping[str, object], default: str
) -> list[str]:
    """The lines for rows; ``headers`` names the columns, ``default`` is the usual table's template.

    Raises ``UsageError`` for a wrong template, also where there is no row to try it on.
    """
    form = form.strip()
    if form == "json":
        return [as_json(row) for row in rows]
    if form in ("", "table"):
        form = f"table {default}"
    is_table = form == "table" or form.startswith(("table ", "table\t"))
    if is_table:
        form = form.removeprefix("table").strip()
    template = Template(form.replace("\\t", "\t").replace("\\n", "\n"))
    # A header is made even where none is shown: it finds a wrong field before the first row does.
    header = template.render(headers, _HEADER_FUNCTIONS) if is_table or not rows else ""
    texts = [template.render(row) for row in rows]
    return aligned([header, *texts]) if is_table else [line for text in texts for line in text.split("\n")]


def inspected(
    form: str, documents: Sequence[dict[str, Any]], opened: Callable[[dict[str, Any]], object]
) -> list[str]:
    """The lines of an ``inspect``: indented JSON, compact JSON, or a template for each document."""
    if form in ("", "json"):
        indent, separators = (4, None) if not form else (None, (",", ":"))
        return [json.dumps(documents, indent=indent, separators=separators, ensure_ascii=False)]
    template = Template(form)
    return [template.render(opened(document)) for document in documents]


def aligned(texts: Sequence[str]) -> list[str]:
    """Lines whose cells end with tabs, as columns; what follows the last tab is no column."""
    lines = [line.split("\t") for text in texts for line in text.split("\n")]
    columns = max((len(line) for line in lines), default=1) - 1
    widths = [
        max(_NARROWEST, *(len(line[column]) + _GAP for line in lines if len(line) > column + 1))
        for column in range(columns)
    ]
    return [
        "".join(cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=False)) + line[-1]
        for line in lines
    ]
