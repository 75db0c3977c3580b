"""What a service's build section asks for, and which builds come first."""

from __future__ import annotations

import pytest

from composer import errors
from composer.model.build import Build, BuildSecret
from composer.model.limits import Ulimit
from composer.model.quantity import ByteSize
from composer.model.stack import FileDefinition, Service, Stack
from composer.planner import builds


def stack_of(**sections: Build) -> Stack:
    return Stack(
        name="s",
        directory="/s",
        files=(),
        services={name: Service(name=name, build=build) for name, build in sections.items()},
        secrets={"token": FileDefinition(key="token", name="s_token", content=b"hidden")},
    )


def test_every_attribute_arrives() -> None:
    stack = stack_of(
        a=Build(
            context="/s/a",
            dockerfile="D",
            args={"x": "1"},
            target="t",
            labels={"l": "1"},
            tags=("other:1", "s-a"),
            platforms=("linux/s390x", "linux/amd64", "linux/arm64"),
            cache_from=("f",),
            cache_to=("t",),
            no_cache=True,
            pull=True,
            secrets=(BuildSecret(source="token", target="tok"),),
            ssh={"default": "", "k": "/key"},
            network="host",
            extra_hosts={"h": ("1.2.3.4", "::1")},
            shm_size=ByteSize(65536),
            ulimits={"nofile": Ulimit(soft=1, hard=2)},
            privileged=True,
            entitlements=("x",),
        )
    )
    made = builds.request_of(stack, stack.services["a"], agent="/agent", epoch=7)
    assert made.tags == ("s-a", "other:1")
    assert made.secrets == {"tok": b"hidden"}
    assert "hidden" not in repr(made)
    assert made.ssh == {"default": "/agent", "k": "/key"}
    assert made.entitlements == {"network.host", "security.insecure", "x"}
    assert made.hosts == (("h", "1.2.3.4"), ("h", "::1"))
    assert (made.network, made.shm_size, made.epoch) == ("host", 65536, 7)
    assert (made.no_cache, made.pulls) == (True, True)
    assert made.platform in {"linux/amd64", "linux/arm64"}


@pytest.mark.parametrize(
    ("build", "part"),
    [
        (Build(context="/x", platforms=("linux/nope",)), "cannot be built on this host"),
        (Build(context="/x", additional_contexts={"b": "service:nobody"}), "names no service that is built"),
        (Build(context="/x", secrets=(BuildSecret(source="nope"),)), "unknown secret: nope"),
    ],
)
def test_refused(build: Build, part: str) -> None:
    stack = stack_of(a=build)
    with pytest.raises(errors.UsageError, match=part):
        builds.request_of(stack, stack.services["a"])


def test_order_follows_contexts_and_base_images() -> None:
    stack = stack_of(
        a=Build(context="/a"),
        b=Build(context="/b", additional_contexts={"x": "service:c"}),
        c=Build(context="/c"),
    )
    reads = {"s-a": ("docker.io/library/s-b:latest", "debian"), "s-c": ("scratch",)}
    assert builds.ordered(stack, ["s-a"], reads) == (("s-c", ()), ("s-b", ("s-c",)), ("s-a", ("s-b",)))
    assert builds.ordered(stack, ["s-c"], reads) == (("s-c", ()),)


def test_a_named_context_hides_the_image_of_its_name() -> None:
    stack = stack_of(
        a=Build(context="/a", additional_contexts={"s-b": "docker-image://debian"}), b=Build(context="/b")
    )
    assert builds.ordered(stack, ["s-a"], {"s-a": ("s-b",)}) == (("s-a", ()),)


def test_an_image_on_its_own_former_self_is_no_circle_but_two_on_each_other_are() -> None:
    stack = stack_of(a=Build(context="/a"), b=Build(context="/b"))
    assert builds.ordered(stack, ["s-a"], {"s-a": ("s-a",)}) == (("s-a", ()),)
    with pytest.raises(errors.UsageError, match="in a circle: s-[ab] -> s-[ab] -> s-[ab]"):
        builds.ordered(stack, ["s-a"], {"s-a": ("s-b",), "s-b": ("s-a",)})
