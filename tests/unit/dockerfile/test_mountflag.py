from __future__ import annotations

import pytest

from composer.dockerfile import mountflag
from composer.dockerfile.mountflag import RunMount


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("target=/x", RunMount(target="/x")),
        ("type=bind,src=a,dst=/x,rw", RunMount(source="a", target="/x", read_only=False)),
        ("from=tools,source=/a,destination=x,ro=false", RunMount(origin="tools", source="/a", target="x", read_only=False)),
        ("type=cache,target=/a/../b", RunMount(kind="cache", target="/a/../b", id="/b", read_only=False)),
        (
            "type=cache,id=c,target=/x,sharing=locked,mode=0750,uid=1,gid=2,ro",
            RunMount(kind="cache", id="c", target="/x", sharing="locked", mode=0o750, uid=1, gid=2),
        ),
        ("type=tmpfs,target=/x,size=1k", RunMount(kind="tmpfs", target="/x", size=1024, read_only=False)),
        ("type=secret,id=a", RunMount(kind="secret", id="a", target="/run/secrets/a")),
        ("type=secret,target=/t/b", RunMount(kind="secret", id="b", target="/t/b")),
        ("type=secret,id=a,env=A", RunMount(kind="secret", id="a", environment="A")),
        ("type=secret,src=d/a,required", RunMount(kind="secret", id="d/a", target="/run/secrets/a", is_required=True)),
        ("type=ssh", RunMount(kind="ssh", id="default")),
        ("type=ssh,id=k,required=true,mode=0666", RunMount(kind="ssh", id="k", is_required=True, mode=0o666)),
        ('"target=/a,b"', RunMount(target="/a,b")),
        ("TYPE=bind,Target=/x", RunMount(target="/x")),
    ],
)  # fmt: skip
def test_every_option(text: str, mount: RunMount) -> None:
    assert mountflag.parse(text) == mount


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("type=nope,target=/x", "unsupported mount type 'nope'"),
        ("target", "must be a key=value pair"),
        ("target=/", "invalid mount target"),
        ("type=cache", "invalid mount target"),
        ("target=/x,size=1", "unexpected key 'size'"),
        ("target=/x,mode=1", "unexpected key 'mode'"),
        ("target=/x,required", "unexpected key 'required'"),
        ("type=cache,target=/x,sharing=own", "unsupported sharing"),
        ("type=cache,target=/x,mode=9", "invalid value for mode"),
        ("type=cache,target=/x,uid=-1", "invalid value for uid"),
        ("type=tmpfs,target=/x,from=y", "no source and no from"),
        ("type=secret", "needs an id or a target"),
        ("type=secret,id=a,source=b", "not both"),
        ("type=secret,id=a,from=b", "no from"),
        ("type=ssh,source=b", "no source"),
        ("target=/x,ro=perhaps", "not a boolean"),
        ("target=/x,from=$y", "variables are not supported in from"),
        ('"target=/x', "comma-separated"),
    ],
)
def test_slips_of_the_pen(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        mountflag.parse(text)


def test_variables_are_judged_when_they_are_known() -> None:
    text = "type=cache,target=$x,sharing=$y"
    assert mountflag.parse(text).kind == "cache"
    values = {"$x": "/c", "$y": "private"}
    assert mountflag.parse(text, values.__getitem__).sharing == "private"
    with pytest.raises(ValueError, match="unsupported sharing value"):
        mountflag.parse(text, lambda _: "")


def test_the_origin_is_read_alone() -> None:
    assert mountflag.origin_of("type=bind,from=a,target=$x") == "a"
    assert mountflag.origin_of("type=bind,target=/x") == ""
