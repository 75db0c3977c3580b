"""Interpolation, ``.env`` files and scalars: tables and properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer import errors
from composer.stackfile import dotenv, interpolate, yamltree

VARIABLES = {"A": "a", "EMPTY": "", "J": '{"k":1}'}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$A${A}", "aa"), ("$$A", "$A"), ("${B:-d}", "d"), ("${EMPTY:-d}", "d"), ("${EMPTY-d}", ""), ("${B-d}", "d"),
        ("${A:+x}", "x"), ("${EMPTY:+x}", ""), ("${EMPTY+x}", "x"), ("${B+x}", ""), ("$9 $", "$9 $"), ("a$", "a$"),
        ('${B:-{"k":1}}', '{"k":1}'), ("${B:-${C:-${A}}}", "a"), ("${B:-$$x}", "$x"), ("${A:?no}", "a"), ("$B.", "."),
    ],
)  # fmt: skip
def test_interpolation(text: str, expected: str) -> None:
    assert interpolate.interpolate(text, VARIABLES.get, lambda _name: None) == expected


@pytest.mark.parametrize(
    "text", ["${", "${A", "${}", "${1}", "${a b}", "${A!x}", "${B:?}", "${A/x/y}", "${B:-${"]
)
def test_what_is_no_interpolation(text: str) -> None:
    with pytest.raises(interpolate.InterpolationError):
        interpolate.interpolate(text, VARIABLES.get, lambda _name: None)


@given(st.text())
def test_doubled_dollars_survive(text: str) -> None:
    assert interpolate.interpolate(text.replace("$", "$$"), VARIABLES.get, lambda _name: None) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1", {"A": "1"}), ("export A=1", {"A": "1"}), (" A = b c ", {"A": "b c"}), ("A=y#nc", {"A": "y#nc"}),
        ("A=y #c", {"A": "y"}), ("A='$A #x'", {"A": "$A #x"}), ('A="x\\ny"', {"A": "x\ny"}), ("A=1\nB=$A", {"A": "1", "B": "1"}),
        ("# c\n\nA=1", {"A": "1"}), ("HOST", {"HOST": "h"}), ("NOPE", {"NOPE": None}), ("A='l1\nl2'\nB=2", {"A": "l1\nl2", "B": "2"}),
        ('A="$HOST"', {"A": "h"}), ("A='$HOST'", {"A": "$HOST"}), ("A=", {"A": None if False else ""}), ("A: b", {"A": "b"}),
        ("\ufeffA=1\r\nB=2\r\n", {"A": "1", "B": "2"}), ("A=${X:-d}", {"A": "d"}),
    ],
)  # fmt: skip
def test_dotenv(text: str, expected: dict[str, str | None]) -> None:
    found = dotenv.parse(text, "f", {"HOST": "h"}.get)
    if text == "A=":
        assert (found["A"] or "") == ""
        return
    assert found == expected


@pytest.mark.parametrize("text", ["=1", "A B", "A='x", 'A="x', "A='x' y", "1A=x", "A=${"])
def test_what_is_no_env_file(text: str) -> None:
    with pytest.raises(errors.StackFileError) as caught:
        dotenv.parse(f"OK=1\n{text}", "file.env", {}.get)
    assert (caught.value.problems[0].file, caught.value.problems[0].line) == ("file.env", 2)


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z_]{1,8}", fullmatch=True),
        st.text(st.characters(exclude_characters="'\\\r\x00", exclude_categories=["Cs"]), max_size=20),
        max_size=5,
    )
)
def test_single_quotes_keep_everything(values: dict[str, str]) -> None:
    text = "".join(f"{key}='{value}'\n" for key, value in values.items())
    assert dotenv.parse(text, "f", {}.get) == values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("~", None), ("", None), ("true", True), ("True", True), ("yes", "yes"), ("on", "on"), ("1", 1), ("-5", -5), ("017", 15),
        ("0o17", 15), ("0x1F", 31), ("1_000", 1000), ("1.10", 1.1), ("1e3", 1000.0), ("22:22", "22:22"), ("1.2.3", "1.2.3"),
        (".5", 0.5), ("0b11", 3), ("08", 8.0), ("+1", 1), ("-", "-"), (".", "."), ("1-2", "1-2"),
    ],
)  # fmt: skip
def test_scalars(text: str, value: object) -> None:
    found = yamltree.resolve(text)
    assert (found, type(found)) == (value, type(value))
