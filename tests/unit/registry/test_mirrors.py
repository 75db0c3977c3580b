"""Where names lead, by the examples of containers-registries.conf(5) and by what a stranger could make of them."""

from __future__ import annotations

import pytest

from composer import errors
from composer.model import reference
from composer.registry import mirrors
from composer.registry.registriesconf import Mirror, RegistriesConf, Rule

MANUAL = RegistriesConf(
    search=("example.com",),
    rules=(
        Rule(
            prefix="example.com/foo",
            location="internal-registry-for-example.com/bar",
            mirrors=(
                Mirror(location="example-mirror-0.local/mirror-for-foo"),
                Mirror(location="example-mirror-1.local/mirrors/foo", is_insecure=True),
            ),
        ),
        Rule(
            prefix="registry.com", location="registry.com", mirrors=(Mirror(location="mirror.registry.com"),)
        ),
    ),
)


def places(conf: RegistriesConf, text: str) -> list[str]:
    return [
        f"{one.host}/{one.repository}{' insecure' if one.is_insecure else ''}"
        for one in mirrors.sources(conf, reference.parse(text))
    ]


def rule(prefix: str, **fields: object) -> RegistriesConf:
    return RegistriesConf(rules=(Rule(prefix=prefix, **fields),))  # type: ignore[arg-type]


def test_the_example_of_the_manual() -> None:
    assert places(MANUAL, "example.com/foo/image:latest") == [
        "example-mirror-0.local/mirror-for-foo/image",
        "example-mirror-1.local/mirrors/foo/image insecure",
        "internal-registry-for-example.com/bar/image",
    ]
    assert places(MANUAL, "registry.com/image:latest") == ["mirror.registry.com/image", "registry.com/image"]
    assert places(MANUAL, "example.com/food/image") == ["example.com/food/image"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("debian", ["registry-1.docker.io/library/debian"]),
        ("ann/app", ["registry-1.docker.io/ann/app"]),
        ("quay.io/a/b", ["quay.io/a/b"]),
        ("localhost:5000/a", ["localhost:5000/a insecure"]),
        ("127.0.0.2:5000/a", ["127.0.0.2:5000/a insecure"]),
        ("10.0.0.1:5000/a", ["10.0.0.1:5000/a"]),
        ("localhost.example.com/a", ["localhost.example.com/a"]),
    ],
)
def test_without_any_file(text: str, expected: list[str]) -> None:
    assert places(RegistriesConf(), text) == expected


@pytest.mark.parametrize(
    ("conf", "text", "expected"),
    [
        (rule("docker.io", location="proxy:5000/hub"), "debian", ["proxy:5000/hub/library/debian"]),
        (rule("docker.io/library", location="quay.io/hub"), "debian:1", ["quay.io/hub/debian"]),
        (rule("docker.io/library/debian", location="a.b/c"), "debian:1", ["a.b/c"]),
        (rule("quay.io", location="docker.io"), "quay.io/redis", ["registry-1.docker.io/library/redis"]),
        (rule("*.example.com", is_insecure=True), "a.b.example.com/x", ["a.b.example.com/x insecure"]),
        (rule("*.example.com", is_insecure=True), "example.com/x", ["example.com/x"]),
        (rule("*.example.com", location="new.org"), "a.example.com/x/y", ["new.org/x/y"]),
        (rule("*.example.com", location="new.org/z"), "a.example.com/x/y", ["new.org/z/x/y"]),
        (rule("quay.io/a:1", location="other.org/b"), "quay.io/a:1", ["other.org/b"]),
        (rule("quay.io/a:1", location="other.org/b"), "quay.io/a:12", ["quay.io/a"]),
        (rule("quay.io/a", is_insecure=True), "quay.io/a@sha256:" + "1" * 64, ["quay.io/a insecure"]),
    ],
)
def test_rewriting(conf: RegistriesConf, text: str, expected: list[str]) -> None:
    assert places(conf, text) == expected


def test_the_longest_prefix_wins() -> None:
    conf = RegistriesConf(
        rules=(
            Rule(prefix="quay.io/a/b", location="three.org"),
            Rule(prefix="quay.io", location="one.org"),
            Rule(prefix="quay.io/a", location="two.org"),
        )
    )
    assert places(conf, "quay.io/a/b/c") == ["three.org/c"]
    assert places(conf, "quay.io/a/x") == ["two.org/x"]
    assert places(conf, "quay.io/ab") == ["one.org/ab"]


@pytest.mark.parametrize(
    ("pulls", "by_tag", "by_digest"),
    [("all", True, True), ("digest-only", False, True), ("tag-only", True, False)],
)
def test_mirrors_for_some_references(pulls: str, by_tag: bool, by_digest: bool) -> None:
    conf = rule("quay.io", location="quay.io", mirrors=(Mirror(location="m.org", pulls=pulls),))
    assert ("m.org/a" in places(conf, "quay.io/a:1")) is by_tag
    assert ("m.org/a" in places(conf, "quay.io/a@sha256:" + "1" * 64)) is by_digest
    assert mirrors.destination(conf, reference.parse("quay.io/a")).host == "quay.io", (
        "a push goes to no mirror"
    )


def test_what_is_blocked() -> None:
    conf = rule("quay.io/bad", is_blocked=True)
    for ask in (mirrors.sources, mirrors.destination):
        with pytest.raises(errors.RegistryError, match="blocked"):
            ask(conf, reference.parse("quay.io/bad/app"))
    assert places(conf, "quay.io/good") == ["quay.io/good"]


# ---------------------------------------------------------------------- short names


SHORT = RegistriesConf(
    search=("one.org", "docker.io"), aliases={"fedora": "registry.fedoraproject.org/fedora"}
)


@pytest.mark.parametrize(
    ("conf", "text", "expected"),
    [
        (RegistriesConf(), "redis", ["docker.io/library/redis:latest"]),
        (RegistriesConf(), "ann/redis:7", ["docker.io/ann/redis:7"]),
        (SHORT, "redis:7", ["one.org/redis:7", "docker.io/library/redis:7"]),
        (SHORT, "ann/redis", ["one.org/ann/redis:latest", "docker.io/ann/redis:latest"]),
        (SHORT, "docker.io/redis", ["docker.io/library/redis:latest"]),
        (SHORT, "localhost/redis", ["localhost/redis:latest"]),
        (SHORT, "fedora:41", ["registry.fedoraproject.org/fedora:41"]),
        (SHORT, "fedora@sha256:" + "1" * 64, ["registry.fedoraproject.org/fedora@sha256:" + "1" * 64]),
        (SHORT, "fedora:41@sha256:" + "1" * 64, ["registry.fedoraproject.org/fedora:41@sha256:" + "1" * 64]),
        (RegistriesConf(search=("one.org",), mode="enforcing"), "a", ["one.org/a:latest"]),
        (
            RegistriesConf(search=("one.org", "docker.io"), mode="enforcing"),
            "a",
            ["docker.io/library/a:latest"],
        ),
    ],
)
def test_short_names(conf: RegistriesConf, text: str, expected: list[str]) -> None:
    assert [str(name) for name in mirrors.candidates(conf, text)] == expected


def test_an_ambiguous_name_is_refused_where_that_is_enforced() -> None:
    conf = RegistriesConf(search=("one.org", "two.org"), mode="enforcing")
    with pytest.raises(errors.RegistryError, match=r"one\.org, two\.org") as caught:
        mirrors.candidates(conf, "a")
    assert "one.org/a" in caught.value.hint


def test_what_is_no_name() -> None:
    with pytest.raises(errors.UsageError):
        mirrors.candidates(RegistriesConf(), "A B")
