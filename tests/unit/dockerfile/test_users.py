from __future__ import annotations

import pytest

from composer.dockerfile.users import owner_of

PASSWD = "root:x:0:0:root:/root:/bin/sh\nweb:x:100:200::/:\n# x\nshort:x\nbad:x:-1:0::/:\n"
GROUP = "root:x:0:\nstaff:x:50:web\n"


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        ("web", (100, 200)),
        ("web:staff", (100, 50)),
        ("web:7", (100, 7)),
        ("5", (5, 5)),
        ("5:6", (5, 6)),
        ("5:staff", (5, 50)),
        ("0:0", (0, 0)),
    ],
)
def test_owners(text: str, owner: tuple[int, int]) -> None:
    assert owner_of(text, passwd=PASSWD, group=GROUP) == owner


@pytest.mark.parametrize(
    "text", ["nobody", "web:nogroup", "short", "bad", "4294967295", "5:4294967295", "", ":staff", "-1", "٣"]
)
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match="unable to find|not a user or group id"):
        owner_of(text, passwd=PASSWD, group=GROUP)
