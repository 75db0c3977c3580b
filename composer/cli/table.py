"""Text tables, sizes and ages as docker's commands print them.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

GAP = "   "


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, three spaces apart; ends with a newline."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    padded = (GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "".join(f"{line.rstrip()}\n" for line in padded)


def shortened(text: str, width: int) -> str:
    """At most ``width`` characters, the last an ellipsis where something was cut."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def human_size(size: int) -> str:
    """Bytes with three digits in powers of 1000: ``1.23MB``."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            return f"{value:.3g}{unit}" if value < 1000 else f"{value:.0f}{unit}"
        value /= 1000
    raise AssertionError


def binary_size(size: int) -> str:
    """Bytes with four digits in powers of 1024: ``1.234MiB``."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            return f"{value:.4g}{unit}"
        value /= 1024
    raise AssertionError
