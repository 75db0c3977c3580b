"""Lines of several containers, merged by time, with their names before them."""

import io
import select
import tracemalloc
from pathlib import Path

import pytest

from composer.cli import logview
from tests.fakes.supervisor import row


def _write(data: Path, name: str, *records: tuple[int, str]) -> None:
    """Append records of (second, text); a text that ends with ``+`` goes on in the next record."""
    log = data / "containers" / f"id-{name}" / "log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        for second, text in records:
            kind = "P" if text.endswith("+") else "F"
            stamp = f"2026-11-23T18:00:{second:02d}.000000000+00:00"
            file.write(f"{stamp} stdout {kind} {text.removesuffix('+')}\n")


def _view(
    tmp_path: Path, *, services: tuple[str, ...] = (), **style: bool
) -> tuple[logview.LogView, io.StringIO]:
    out = io.StringIO()
    return logview.LogView(out, logview.Style(**style), tmp_path, services=services), out


def test_merges_by_time_and_pads_names(tmp_path: Path) -> None:
    _write(tmp_path, "web-1", (1, "a"), (3, "c"))
    _write(tmp_path, "cache-1", (2, "b"), (4, "d"))
    view, out = _view(tmp_path)
    view.adopt([row("web-1"), row("cache-1")])
    view.drain()
    assert out.getvalue() == "web-1    | a\ncache-1  | b\nweb-1    | c\ncache-1  | d\n"


def test_only_what_is_new(tmp_path: Path) -> None:
    _write(tmp_path, "web-1", (1, "a"))
    view, out = _view(tmp_path, has_prefix=False)
    view.adopt([row("web-1")])
    assert view.drain() == 1
    assert view.drain() == 0
    _write(tmp_path, "web-1", (2, "b"))
    assert view.drain() == 1
    assert out.getvalue() == "a\nb\n"


@pytest.mark.parametrize(("tail", "expected"), [(None, "a\nb\nc\nd\n"), (2, "b\nc\nd\n"), (0, "d\n")])
def test_tail_counts_what_was_there(tmp_path: Path, tail: int | None, expected: str) -> None:
    _write(tmp_path, "web-1", (1, "a"), (2, "b"), (3, "c"))
    view, out = _view(tmp_path, has_prefix=False)
    view.adopt([row("web-1")], tail=tail)
    _write(tmp_path, "web-1", (4, "d"))
    view.drain()
    assert out.getvalue() == expected


def test_since_leaves_former_runs_out(tmp_path: Path) -> None:
    _write(tmp_path, "web-1", (1, "old"), (9, "new"))
    view, out = _view(tmp_path, has_prefix=False)
    view.adopt([row("web-1")])
    view.drain(since=1795456805.0)  # 2026-11-23T18:00:05Z
    assert out.getvalue() == "new\n"


def test_parts_become_one_line(tmp_path: Path) -> None:
    _write(tmp_path, "web-1", (1, "one +"), (1, "line"), (2, "unfinished+"))
    view, out = _view(tmp_path, has_prefix=False)
    view.adopt([row("web-1")])
    view.drain()
    assert out.getvalue() == "one line\n"
    view.finish()
    view.finish()
    assert out.getvalue() == "one line\nunfinished\n"


def test_other_services_and_one_offs_are_not_followed(tmp_path: Path) -> None:
    for name in ("web-1", "db-1", "job-1"):
        _write(tmp_path, name, (1, name))
    view, out = _view(tmp_path, services=("web", "job"))
    view.adopt([row("web-1"), row("db-1"), row("job-1", OneOff=True)])
    view.drain()
    assert out.getvalue() == "web-1  | web-1\n"


def test_a_missing_log_may_appear_later(tmp_path: Path) -> None:
    view, out = _view(tmp_path, has_prefix=False)
    view.adopt([row("web-1")])
    assert view.drain() == 0
    _write(tmp_path, "web-1", (1, "late"))
    view.drain()
    assert out.getvalue() == "late\n"


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ({}, "web-1  | \x1b[2Jhi\n"),
        ({"is_escaped": True}, "web-1  | \\x1b[2Jhi\n"),
        ({"has_prefix": False}, "\x1b[2Jhi\n"),
        ({"has_time": True, "has_prefix": False, "is_escaped": True}, "T \\x1b[2Jhi\n"),
        ({"has_colour": True, "is_escaped": True}, "\x1b[36mweb-1  | \x1b[0m\\x1b[2Jhi\n"),
        ({"has_colour": True}, "\x1b[36mweb-1  | \x1b[0m\x1b[2Jhi\x1b[0m\n"),
    ],
)
def test_styles(tmp_path: Path, style: dict[str, bool], expected: str) -> None:
    view, _ = _view(tmp_path, **style)
    view.adopt([row("web-1")])
    assert view.formatted((1.0, "T", "web-1", "\x1b[2Jhi")) == expected


def test_a_period(tmp_path: Path) -> None:
    _write(tmp_path, "web-1", (1, "a"), (5, "b"), (9, "c"))
    view, out = _view(tmp_path, has_prefix=False)
    view.adopt([row("web-1")])
    view.drain(since=1795456803.0, until=1795456806.0)
    assert out.getvalue() == "b\n"


def test_one_container_of_a_service(tmp_path: Path) -> None:
    rows = []
    for number in (1, 2):
        _write(tmp_path, f"web-{number}", (number, str(number)))
        rows.append(row(f"web-{number}", Labels={"com.docker.compose.container-number": str(number)}))
    out = io.StringIO()
    view = logview.LogView(out, logview.Style(has_prefix=False), tmp_path, index=2)
    view.adopt(rows)
    view.drain()
    assert out.getvalue() == "2\n"


def test_a_line_without_end_needs_little_memory(tmp_path: Path) -> None:
    """G1, scaled down: conmon cuts it into parts; it is written in pieces of a megabyte."""
    log = tmp_path / "containers" / "id-web-1" / "log"
    log.parent.mkdir(parents=True)
    stamp, size = "2026-11-23T18:00:01.000000000+00:00", 8192
    with log.open("w", encoding="ascii") as file:
        for _ in range(12_000):
            file.write(f"{stamp} stdout P {'x' * size}\n")

    class Sink(io.StringIO):
        count = longest = 0

        def write(self, text: str) -> int:
            Sink.count += len(text)
            Sink.longest = max(Sink.longest, len(text))
            return len(text)

    view = logview.LogView(Sink(), logview.Style(has_prefix=False), tmp_path)
    view.adopt([row("web-1")])
    tracemalloc.start()
    try:
        view.drain()
        view.finish()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert Sink.count >= 12_000 * size
    assert Sink.longest <= logview.LONGEST_LINE + size + 1
    assert peak < 16 << 20


def test_bytes_that_are_no_text_come_out_as_they_were(tmp_path: Path) -> None:
    """G2: raw through a pipe, visible at a terminal."""
    log = tmp_path / "containers" / "id-web-1" / "log"
    log.parent.mkdir(parents=True)
    said = b"\xff\xfe\x00 \x1b]52;c;evil\x07 \r\x1b[31mred"
    log.write_bytes(b"2026-11-23T18:00:01.0+00:00 stdout F " + said + b"\n")
    for is_escaped in (False, True):
        view, out = _view(tmp_path, has_prefix=False, is_escaped=is_escaped)
        view.adopt([row("web-1")])
        view.drain()
        shown = out.getvalue().encode("utf-8", "surrogateescape")
        if is_escaped:
            assert shown == b"\\xff\\xfe\\x00 \\x1b]52;c;evil\\x07 \\x0d\x1b[31mred\n"
        else:
            assert shown == said + b"\n"


def test_a_container_cannot_speak_for_another(tmp_path: Path) -> None:
    """G3: lines that imitate a record or a prefix are text like any other."""
    forged = "2026-11-23T18:00:09.000000000+00:00 stderr F db-1  | gone"
    _write(tmp_path, "web-1", (1, forged))
    view, out = _view(tmp_path)
    view.adopt([row("web-1")])
    view.drain()
    assert out.getvalue() == f"web-1  | {forged}\n"


def test_the_bell_rings_when_a_log_grows(tmp_path: Path) -> None:
    _write(tmp_path, "web-1", (1, "a"))
    view = logview.LogView(io.StringIO(), logview.Style(), tmp_path, rings=True)
    view.adopt([row("web-1")])
    assert view.descriptor is not None
    view.quieten()
    assert select.select([view.descriptor], [], [], 0)[0] == []
    _write(tmp_path, "web-1", (2, "b"))
    assert select.select([view.descriptor], [], [], 5)[0] == [view.descriptor]
    view.quieten()
    assert select.select([view.descriptor], [], [], 0)[0] == []
    view.close()
