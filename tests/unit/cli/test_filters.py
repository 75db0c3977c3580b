"""--filter as Docker reads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer import errors
from composer.cli import filters

KNOWN = ("label", "name", "dangling", "until", "exited", "status")


def _of(*texts: str) -> filters.Filters:
    return filters.parse(texts, KNOWN)


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        ((), {}),
        (("name=a",), {"name": ("a",)}),
        (("name=a", "name=b", "name=a"), {"name": ("a", "b")}),
        ((" NAME = a ",), {"name": ("a",)}),
        (("label=k=v",), {"label": ("k=v",)}),
        (("label!=k",), {"label!": ("k",)}),
        (("name=",), {"name": ("",)}),
    ],
)
def test_reading(texts: tuple[str, ...], values: dict[str, tuple[str, ...]]) -> None:
    found = _of(*texts)
    assert found.values == values
    assert bool(found) == bool(values)


@pytest.mark.parametrize(
    ("text", "message"),
    [("name", "bad format of filter 'name'"), ("nope=1", "invalid filter 'nope'"), ("name!=a", "invalid filter 'name!'")],
)  # fmt: skip
def test_refused(text: str, message: str) -> None:
    with pytest.raises(errors.UsageError, match=message):
        _of(text)


@pytest.mark.parametrize(
    ("texts", "candidates", "expected"),
    [
        ((), ("web",), True),
        (("name=web",), ("my-web-1",), True),
        (("name=^web$",), ("my-web-1",), False),
        (("name=^/web$",), ("/web", "web"), True),
        (("name=db", "name=web"), ("web",), True),
        (("name=a+b",), ("a+b",), True),
        (("name=db",), ("web",), False),
    ],
)
def test_text(texts: tuple[str, ...], candidates: tuple[str, ...], expected: bool) -> None:
    assert _of(*texts).accept_text("name", *candidates) is expected


def test_a_wrong_pattern_is_named() -> None:
    with pytest.raises(errors.UsageError, match=r"'\('"):
        _of("name=(").accept_text("name", "web")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((), True),
        (("label=a",), True),
        (("label=a=1",), True),
        (("label=a=2",), False),
        (("label=a", "label=b"), False),
        (("label=a", "label=c=x=y"), True),
        (("label!=b",), True),
        (("label!=a",), False),
        (("label!=a=2",), True),
        (("label=a", "label!=c"), False),
    ],
)
def test_labels(texts: tuple[str, ...], expected: bool) -> None:
    assert _of(*texts).accept_labels({"a": "1", "c": "x=y"}) is expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [((), None), (("dangling=true",), True), (("dangling=0",), False), (("dangling=1", "dangling=t"), True)],
)
def test_flags(texts: tuple[str, ...], expected: bool | None) -> None:
    assert _of(*texts).flag("dangling") is expected


@pytest.mark.parametrize("texts", [("dangling=yes",), ("dangling=true", "dangling=false")])
def test_flags_that_are_none(texts: tuple[str, ...]) -> None:
    with pytest.raises(errors.UsageError, match="dangling"):
        _of(*texts).flag("dangling")


def test_numbers() -> None:
    assert _of("exited=0", "exited=137", "exited=-1").numbers("exited") == {0, 137, -1}
    with pytest.raises(errors.UsageError, match="'x'"):
        _of("exited=x").numbers("exited")


def test_moments() -> None:
    assert _of().moment("until", 100.0) is None
    assert _of("until=10s").moment("until", 100.0) == 90.0
    with pytest.raises(errors.UsageError, match="until"):
        _of("until=soon").moment("until", 100.0)
    with pytest.raises(errors.UsageError, match="once"):
        _of("until=1", "until=2").moment("until", 100.0)


@given(st.dictionaries(st.text("abc", min_size=1), st.text("xy=")))
def test_every_label_of_a_thing_selects_it(labels: dict[str, str]) -> None:
    texts = [f"label={key}={value}" for key, value in labels.items()]
    assert filters.parse([text for text in texts if text == text.strip()], KNOWN).accept_labels(labels)


@given(st.text("ab.-", min_size=1), st.text("ab.-"), st.text("ab.-"))
def test_a_plain_name_is_found_in_what_contains_it(name: str, before: str, after: str) -> None:
    assert _of(f"name={name}").accept_text("name", before + name + after)
