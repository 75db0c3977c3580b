from __future__ import annotations

import re

from composer.dockerfile.progress import Progress


def test_lines_of_steps() -> None:
    said: list[str] = []
    progress = Progress(said.append)
    first = progress.begin("[1/2] FROM a")
    first.cached()
    second = progress.begin("[2/2] RUN b")
    second.feed(b"one\r\ntw")
    second.feed(b"o\nrest \xff")
    second.done()
    assert [re.sub(r"\d+\.\d+", "T", line) for line in said] == [
        "#1 [1/2] FROM a",
        "#1 CACHED",
        "#2 [2/2] RUN b",
        "#2 T one",
        "#2 T two",
        "#2 T rest \ufffd",
        "#2 DONE Ts",
    ]


def test_the_tail_is_the_last_twenty_lines() -> None:
    step = Progress(lambda _: None).begin("x")
    step.feed(b"".join(b"%d\n" % n for n in range(100)))
    assert step.tail.splitlines() == [str(n) for n in range(80, 100)]


def test_a_line_without_end_is_cut() -> None:
    said: list[str] = []
    step = Progress(said.append).begin("x")
    for _ in range(100):
        step.feed(b"y" * 1000)
    step.failed("boom")
    assert max(map(len, said)) < 17_000
    assert sum(line.count("y") for line in said) == 100_000
    assert said[-1] == "#1 ERROR: boom"
