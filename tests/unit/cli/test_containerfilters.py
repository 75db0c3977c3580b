"""Which containers `container ls` shows and `container prune` removes."""

import pytest

from composer import errors
from composer.cli import containerfilters, filters

NOW = 1_700_000_000.0


def _document(name: str, age: int, **state: object) -> containerfilters.Document:
    is_running = state.get("Status", "running") == "running"
    return {
        "Id": f"{age:x}" * 4 + "ff",
        "Name": f"/{name}",
        "Created": f"2023-11-14T22:{13 - age:02d}:20Z",
        "Image": "sha256:busybox",
        "State": {"Status": "running", "Running": is_running, "ExitCode": 0, **state},
        "Config": {"Labels": {"tier": name}},
        "Mounts": [{"Type": "volume", "Name": f"data-{name}", "Source": "/v", "Destination": f"/srv/{name}"}],
        "NetworkSettings": {
            "Networks": {f"net-{name}": {"NetworkID": f"id-{name}"}},
            "Ports": {"80/tcp": [{"HostPort": "8080"}], "53/udp": None} if name == "web" else {},
        },
    }


DOCUMENTS = [
    _document("db", 3, Health={"Status": "healthy"}),
    _document("job", 2, Status="exited", ExitCode=3),
    _document("new", 0, Status="created"),
    _document("web", 1),
]


def _chosen(*texts: str, everything: bool = False, last: int = 0) -> list[str]:
    found = containerfilters.chosen(
        DOCUMENTS,
        filters.parse(texts, containerfilters.KNOWN),
        everything=everything,
        last=last,
        is_descendant=lambda image, wanted: image == f"sha256:{wanted}",
    )
    return [document["Name"][1:] for document in found]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((), ["new", "web", "job", "db"]),
        (("status=running",), ["web", "db"]),
        (("status=exited", "status=created"), ["new", "job"]),
        (("exited=3",), ["job"]),
        (("exited=0",), []),
        (("health=healthy",), ["db"]),
        (("health=none",), ["new", "web", "job"]),
        (("name=^w",), ["web"]),
        (("name=/db$",), ["db"]),
        (("name=w",), ["new", "web"]),
        (("id=1111",), ["web"]),
        (("label=tier",), ["new", "web", "job", "db"]),
        (("label=tier=db",), ["db"]),
        (("label=tier=db", "label=tier=web"), []),
        (("network=net-db",), ["db"]),
        (("network=id-db", "network=net-web"), ["web", "db"]),
        (("volume=data-job",), ["job"]),
        (("volume=/srv/db",), ["db"]),
        (("publish=80",), ["web"]),
        (("publish=53/udp",), []),
        (("expose=50-60/udp",), ["web"]),
        (("expose=81",), []),
        (("before=web",), ["job", "db"]),
        (("since=job",), ["new", "web"]),
        (("since=db", "before=new"), ["web", "job"]),
        (("before=1111",), ["job", "db"]),
        (("ancestor=busybox",), ["new", "web", "job", "db"]),
        (("ancestor=debian",), []),
        (("status=running", "name=db"), ["db"]),
    ],
)
def test_filters(texts: tuple[str, ...], expected: list[str]) -> None:
    assert _chosen(*texts, everything=True) == expected


def test_only_running_ones_unless_asked() -> None:
    assert _chosen() == ["web", "db"]
    assert _chosen(last=3) == ["new", "web", "job"]
    assert _chosen("status=created") == ["new"]
    assert _chosen("name=job") == []


@pytest.mark.parametrize(
    "text",
    ["status=up", "health=good", "publish=web", "publish=90-80", "expose=1/icmp", "before=nope", "exited=x"],
)
def test_values_that_match_nothing_are_refused(text: str) -> None:
    with pytest.raises(errors.UsageError, match=text.partition("=")[0]):
        _chosen(text, everything=True)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((), ["job", "new"]),
        (("until=90s",), ["job"]),
        (("until=1h",), []),
        (("label=tier=new",), ["new"]),
        (("label!=tier=new",), ["job"]),
    ],
)
def test_prune(texts: tuple[str, ...], expected: list[str]) -> None:
    chosen = containerfilters.prunable(DOCUMENTS, filters.parse(texts, containerfilters.KNOWN_OF_PRUNE), NOW)
    assert [document["Name"][1:] for document in chosen] == expected
