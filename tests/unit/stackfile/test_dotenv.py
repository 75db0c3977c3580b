"""The grammar of ``.env`` files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer import errors
from composer.stackfile import dotenv

CALLER = {"HOME": "/home/me", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1", {"A": "1"}), ("export A=1", {"A": "1"}), ("A = 1", {"A": "1"}), ("A: 1", {"A": "1"}), ("A=", {"A": ""}),
        ("A=1 # x", {"A": "1"}), ("A=1#x", {"A": "1#x"}), ("# A=1", {}), ("\n\nA=1\n", {"A": "1"}), ("A='b # c'", {"A": "b # c"}),
        ("A='$HOME'", {"A": "$HOME"}), ('A="$HOME"', {"A": "/home/me"}), ("A=$HOME/x", {"A": "/home/me/x"}),
        ("A=${NO:-x}", {"A": "x"}), ("A=1\nB=${A}2", {"A": "1", "B": "12"}), ('A="x\ny"', {"A": "x\ny"}), ('A="x\\ny"', {"A": "x\ny"}),
        ("A='x\ny'", {"A": "x\ny"}), ("HOME", {"HOME": "/home/me"}), ("A.b-c=1", {"A.b-c": "1"}), ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("A=b c d", {"A": "b c d"}), ("A=1\nA=2", {"A": "2"}), ('A="a" # c', {"A": "a"}), ("\ufeffA=1", {"A": "1"}), ("A=x=y", {"A": "x=y"}),
        (r"A='a\'b'", {"A": "a'b"}), (r"A='a\\'", {"A": r"a\\"}), (r"A='\n'", {"A": r"\n"}),
    ],
)  # fmt: skip
def test_lines(text: str, expected: dict[str, str]) -> None:
    assert dict(dotenv.parse(text, "f", CALLER.get)) == expected


@pytest.mark.parametrize(
    ("text", "line"),
    [("A='x", 1), ("A=1\nnot one", 2), ("A=1\n\n=2", 3), ('A=1\nB="${C:?no}"', 2), ("A=a\0b", 1)],
)
def test_refused_with_the_line(text: str, line: int) -> None:
    with pytest.raises(errors.StackFileError) as caught:
        dotenv.parse(text, "f", CALLER.get)
    assert [(problem.file, problem.line) for problem in caught.value.problems] == [("f", line)]


def test_raw_takes_everything_behind_the_sign() -> None:
    assert dict(dotenv.parse_raw("A='x' # y\nB=$HOME\n# c\n", "f", CALLER.get)) == {
        "A": "'x' # y",
        "B": "$HOME",
    }


def test_lines_are_remembered() -> None:
    assert dotenv.parse("A=1\n\nB='x\ny'\nC=3\n", "f", CALLER.get).lines == {"A": 1, "B": 3, "C": 5}


VALUES = st.text(
    st.characters(blacklist_characters="'\0\r", blacklist_categories=("Cs",)), max_size=40
).filter(
    lambda value: (len(value) - len(value.rstrip("\\"))) % 2 == 0  # else it would escape the closing quote
)


@given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True), VALUES, max_size=5))
def test_single_quotes_keep_everything(values: dict[str, str]) -> None:
    text = "".join(f"{key}='{value}'\n" for key, value in values.items())
    assert dict(dotenv.parse(text, "f", {}.get)) == values


@given(st.text(max_size=200))
def test_any_text_gives_values_or_one_error(text: str) -> None:
    try:
        values = dotenv.parse(text, "f", {}.get)
    except errors.StackFileError as error:
        assert len(error.problems) == 1
        assert error.problems[0].line >= 1
    else:
        assert all("\0" not in value for value in values.values() if value is not None)
