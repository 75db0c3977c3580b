"""Names for containers that were given none: two words that are easy to say and to tell apart."""

from __future__ import annotations

import secrets
from collections.abc import Container

_HOW = (
    "amber brave brisk calm clear clever cosy crisp deft eager early fair fond frank gentle glad grand "
    "happy hardy honest humble jolly keen kind light lively lucid mellow merry mild neat noble patient "
    "placid proud quick quiet ready round sharp silent simple sleek smart solid spry steady still sunny "
    "sure swift tidy tranquil trusty upbeat vivid warm wise witty zesty"
)
_WHO = (
    "alder aspen badger beech birch bison cedar cicada condor coral crane cricket curlew dingo dolphin "
    "dunlin egret falcon fern finch fox gannet gecko godwit hazel heron hornbeam ibex ibis jackdaw juniper "
    "kestrel kiwi larch lark linnet lynx magpie maple marten merlin newt oak osprey otter owl petrel pine "
    "plover puffin quail raven robin rowan sable shrike siskin sparrow stoat swift tapir teal tern thrush "
    "toucan vole walnut weasel willow wren yew"
)
_TRIES = 6


def free_name(taken: Container[str]) -> str:
    """A name nobody has; digits make it one where words alone do not."""
    for _ in range(_TRIES):
        name = f"{secrets.choice(_HOW.split())}_{secrets.choice(_WHO.split())}"
        if name not in taken:
            return name
    return f"{name}_{secrets.token_hex(3)}"
