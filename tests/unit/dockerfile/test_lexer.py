from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.dockerfile import lexer


def lines(text: str) -> list[tuple[int, str, str]]:
    return [(one.line, one.keyword, one.rest) for one in lexer.split(text)[1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM a\n", [(1, "FROM", "a")]),
        ("FROM a", [(1, "FROM", "a")]),
        ("\ufefffrom a\r\nrun b\r\n", [(1, "FROM", "a"), (2, "RUN", "b")]),
        ("  # comment\n\n   FROM a", [(3, "FROM", "a")]),
        ("RUN a \\\n  b", [(1, "RUN", "a   b")]),
        ("RUN a \\  \n  b", [(1, "RUN", "a   b")]),
        ("RUN a \\\n# comment\n\n  # other\nb\nRUN c", [(1, "RUN", "a b"), (6, "RUN", "c")]),
        ("RUN a \\\n", [(1, "RUN", "a")]),
        ("RUN a\\\\\nRUN b", [(1, "RUN", "a\\\\"), (2, "RUN", "b")]),
        ("RUN a # not a comment", [(1, "RUN", "a # not a comment")]),
        ("\\\nRUN a", [(1, "RUN", "a")]),
        ("# escape=`\nRUN a `\nb \\", [(2, "RUN", "a b \\")]),
        ("# comment\n# escape=`\nRUN a `\nRUN b", [(3, "RUN", "a `"), (4, "RUN", "b")]),
        ("# syntax=docker/dockerfile:1.7-labs\n# escape=`\nRUN a`\nb", [(3, "RUN", "ab")]),
        ("# unknown=1\n# escape=`\nRUN a`", [(3, "RUN", "a`")]),
    ],
)
def test_logical_lines(text: str, expected: list[tuple[int, str, str]]) -> None:
    assert lines(text) == expected


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("# escape=x\n", 1, "invalid escape"),
        ("# escape=`\n# escape=`\n", 2, "only one escape"),
        ("# syntax=evil/frontend:1\n", 1, "unsupported"),
        ("FROM a\nRUN <<EOF\nb\n", 2, "unterminated"),
        ("FROM a\nCOPY --from=a --from=b c d", 2, "duplicate flag"),
    ],
)
def test_refused(text: str, line: int, part: str) -> None:
    with pytest.raises(lexer.LexicalError, match=part) as caught:
        lexer.split(text)
    assert caught.value.line == line


def test_flags_are_taken_off_and_end_at_the_double_dash() -> None:
    (line,) = lexer.split('COPY --from=a --chown="x y" --link -- --odd b')[1]
    assert line.flags == (("from", "a"), ("chown", "x y"), ("link", None))
    assert line.rest == "--odd b"


def test_heredocs_take_the_lines_that_follow() -> None:
    (copy, run) = lexer.split("COPY <<A <<-'B' /x/\n1 $v\nA\n\t\t2\n\tB\nRUN done")[1]
    first, second = copy.heredocs
    assert (first.name, first.content, first.expands) == ("A", "1 $v\n", True)
    assert (second.name, second.body, second.expands) == ("B", "2\n", False)
    assert (run.line, run.rest) == (6, "done")


@pytest.mark.parametrize("text", ["RUN cat <<<word", 'RUN echo "<<EOF"', "ENV a=<<EOF", "RUN a << EOF"])
def test_what_is_no_heredoc(text: str) -> None:
    assert lexer.split(text)[1][0].heredocs == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b", ["a", "b"]),
        ('a="b c" d', ['a="b c"', "d"]),
        ("a='b \\' c", ["a='b \\'", "c"]),
        ("a\\ b c", ["a\\ b", "c"]),
        ('"a \\" b" c', ['"a \\" b"', "c"]),
        ("a\\", ["a"]),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert lexer.words_of(text, "\\") == words


def test_a_line_of_a_megabyte() -> None:
    text = "RUN " + "x" * (1 << 20)
    assert len(lines(text)[0][2]) == 1 << 20


@given(st.text(alphabet="RUN<EOF-# \\\n`'\"=a\t\r", max_size=60))
def test_any_text_is_read_or_refused_with_a_line(text: str) -> None:
    try:
        _, found = lexer.split(text)
    except lexer.LexicalError as error:
        assert 1 <= error.line <= text.count("\n") + 1
    else:
        assert all(one.keyword == one.keyword.upper() for one in found)
