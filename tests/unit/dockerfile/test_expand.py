from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.dockerfile.expand import expand

VARIABLES = {"a": "one", "empty": "", "path": "/x/y/z.tar.gz", "inject": "$a ${a} 'q'"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$a", "one"),
        ("${a}x", "onex"),
        ("$axe", ""),
        ("\\$a", "$a"),
        ("'$a'", "$a"),
        ('"$a b"', "one b"),
        ('"\\$a \\x"', "$a \\x"),
        ("a\\ b", "a b"),
        ("$", "$"),
        ("$ a", "$ a"),
        ("${unset:-d}", "d"),
        ("${unset-d}", "d"),
        ("${empty:-d}", "d"),
        ("${empty-d}", ""),
        ("${a:+set}", "set"),
        ("${empty:+set}", ""),
        ("${empty+set}", "set"),
        ("${unset:-${a}}", "one"),
        ("${unset:-'$a}'}", "$a}"),
        ("${a?gone}", "one"),
        ("${path#*/}", "x/y/z.tar.gz"),
        ("${path##*/}", "z.tar.gz"),
        ("${path%.*}", "/x/y/z.tar"),
        ("${path%%.*}", "/x/y/z"),
        ("${path%nothing}", "/x/y/z.tar.gz"),
        ("${path/tar/zip}", "/x/y/z.zip.gz"),
        ("${path//\\//-}", "-x-y-z.tar.gz"),
        ("${path//./}", "/x/y/ztargz"),
        ("$inject", "$a ${a} 'q'"),
        ("é$a", "éone"),
    ],
)
def test_expansion(text: str, result: str) -> None:
    assert expand(text, VARIABLES) == result


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("${", "bad substitution"),
        ("${}", "bad substitution"),
        ("${a", "unsupported modifier|missing"),
        ("${a:-x", "missing '}'"),
        ("${a:*x}", "unsupported modifier"),
        ("${a:#x}", "unsupported modifier"),
        ("'a", "single-quote"),
        ('"a', "double-quote"),
        ("${unset:?is needed}", "unset: is needed"),
        ("${unset?}", "not allowed to be unset"),
        ("${b:-" * 200 + "}" * 200, "nested too deeply"),
    ],
)
def test_refused(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        expand(text, VARIABLES)


def test_the_other_escape_character() -> None:
    assert expand("c:\\x`$a", {"a": "1"}, escape="`") == "c:\\x$a"


def test_quotes_are_kept_in_here_documents() -> None:
    assert expand("'$a' \"x\" \\n \\$a", {"a": "1"}, keeps_quotes=True) == "'1' \"x\" \\n $a"


@given(st.text(max_size=40))
def test_a_value_is_never_read_again(value: str) -> None:
    assert expand('"$v"', {"v": value, "a": "no"}) == value
