"""``--change``: instructions on a configuration, as ``docker commit -c`` and ``docker import -c`` take them."""

from __future__ import annotations

import pytest

from composer import errors
from composer.dockerfile import changes
from composer.model.image import ImageConfig

BASE = ImageConfig(environment={"A": "1"}, working_dir="/srv", command=("old",), labels={"k": "v"})


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ('CMD ["a", "b"]', "command", ("a", "b")),
        ("CMD a b", "command", ("/bin/sh", "-c", "a b")),
        ('ENTRYPOINT ["e"]', "entrypoint", ("e",)),
        ("ENV B=2 C=$A", "environment", {"A": "1", "B": "2", "C": "1"}),
        ("env B 2", "environment", {"A": "1", "B": "2"}),
        ("EXPOSE 80 53/udp", "exposed_ports", ("53/udp", "80/tcp")),
        ("LABEL x=y", "labels", {"k": "v", "x": "y"}),
        ("USER five:six", "user", "five:six"),
        ('VOLUME ["/data"]', "volumes", ("/data",)),
        ("WORKDIR app", "working_dir", "/srv/app"),
        ("WORKDIR /$A", "working_dir", "/1"),
        ("STOPSIGNAL SIGINT", "stop_signal", "SIGINT"),
        ("ONBUILD RUN x", "on_build", ("RUN x",)),
    ],
)
def test_a_change(change: str, field: str, value: object) -> None:
    assert getattr(changes.changed(BASE, [change]), field) == value


def test_changes_follow_each_other() -> None:
    config = changes.changed(BASE, ["ENV B=2", "WORKDIR /$B\nUSER x"])
    assert (config.working_dir, config.user) == ("/2", "x")
    assert changes.changed(BASE, []) == BASE


@pytest.mark.parametrize(
    "change",
    ["RUN x", "COPY a b", "FROM x", "ADD a b", "ARG A", "NOPE x", "", "# nothing", "EXPOSE x", "ENV",
     "HEALTHCHECK --nope CMD x"],
)  # fmt: skip
def test_what_is_no_change(change: str) -> None:
    with pytest.raises(errors.UsageError, match="invalid change"):
        changes.changed(BASE, [change])
