"""Platforms: reading them, and choosing among those that an index offers."""

from __future__ import annotations

import pytest

from composer.model import platforms
from composer.model.distribution import Descriptor, Platform


def platform(text: str) -> Platform:
    os, architecture, *variant = text.split("/")
    return Platform(os=os, architecture=architecture, variant="".join(variant))


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("linux/amd64", "linux/amd64"),
        ("Linux/AMD64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64/v8"),
        ("armhf", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("windows/amd64", "windows/amd64"),
        ("linux", platforms.of_host()),
    ],
)
def test_reading(text: str, meaning: str) -> None:
    assert str(platforms.parse(text)) == meaning


@pytest.mark.parametrize("text", ["", "/", "linux/", "linux//v7", "a/b/c/d", "linux/arm v7", "linux/ä"])
def test_what_is_no_platform(text: str) -> None:
    with pytest.raises(ValueError, match="invalid platform"):
        platforms.parse(text)
    assert not platforms.runs_here(text)


@pytest.mark.parametrize(
    ("offered", "wanted", "chosen"),
    [
        (["linux/amd64", "linux/arm64"], "linux/arm64", "linux/arm64"),
        (["linux/arm64/v8", "linux/amd64"], "linux/arm64", "linux/arm64/v8"),
        (["linux/arm/v5", "linux/arm/v7", "linux/arm/v6"], "linux/arm/v7", "linux/arm/v7"),
        (["linux/arm/v5", "linux/arm/v6"], "linux/arm/v7", "linux/arm/v6"),
        (["linux/arm/v7"], "linux/arm/v6", None),
        (["linux/amd64/v3", "linux/amd64"], "linux/amd64", "linux/amd64"),
        (["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"], "linux/amd64/v3", "linux/amd64/v2"),
        (["unknown/unknown", "windows/amd64", "linux/s390x"], "linux/amd64", None),
        (["linux/riscv64"], "linux/riscv64", "linux/riscv64"),
        ([], "linux/amd64", None),
    ],
    ids=str,
)
def test_choosing(offered: list[str], wanted: str, chosen: str | None) -> None:
    candidates = [Descriptor(media_type="", digest=text, size=0, platform=platform(text)) for text in offered]
    found = platforms.best([Descriptor(media_type="", digest="none", size=0), *candidates], platform(wanted))
    assert (found.digest if found else None) == chosen


def test_the_first_of_several_alike_is_taken() -> None:
    one, two = (
        Descriptor(media_type="", digest=name, size=0, platform=platform("linux/amd64")) for name in "ab"
    )
    assert platforms.best([one, two], platform("linux/amd64")) is one
