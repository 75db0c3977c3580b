"""Every case is built by composer and by another builder; the images must be the same.

Not compared: times (each builder has its own clock), history and ids, the root directory's own mode
(Docker's archives do not hold it), and of the configuration what is not in ``picture.CONFIG_KEYS``.
What is known to differ stands in the case (``differs``) and in ``docs/compatibility.md``.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.differential.builds import cases
from tests.differential.builds.cases import Case
from tests.differential.builds.contenders import (
    BASE,
    BuildahBud,
    ComposerBuild,
    Contender,
    DockerBuild,
    Refused,
)
from tests.differential.builds.picture import Picture

PAGE = Path(__file__).parents[3] / "docs" / "compatibility.md"


@pytest.fixture(scope="module")
def composer() -> Iterator[ComposerBuild]:
    """composer with the base image of every case."""
    data = Path(tempfile.mkdtemp(prefix="composer-differential-", dir="/var/tmp"))
    run = Path(tempfile.mkdtemp(prefix="composer-differential-", dir="/dev/shm"))
    yield ComposerBuild(data, run)
    shutil.rmtree(data)
    shutil.rmtree(run)


@pytest.fixture(scope="module")
def base(composer: ComposerBuild) -> Picture:
    return composer.picture(BASE)


@pytest.fixture(scope="module")
def docker_build(composer: ComposerBuild, request: pytest.FixtureRequest) -> Contender:
    return DockerBuild(request.getfixturevalue("docker"), composer.save(BASE))


@pytest.fixture(scope="module")
def buildah_bud(composer: ComposerBuild, request: pytest.FixtureRequest) -> Contender:
    return BuildahBud(
        request.getfixturevalue("buildah"), request.getfixturevalue("podman"), composer.save(BASE)
    )


def outcome(contender: Contender, case: Case, directory: Path, base: Picture) -> dict[str, object] | Refused:
    """What a build changed, or that it was refused."""
    context = case.context(directory)
    name = f"case-{case.name}"
    try:
        for image, file in case.bases.items():
            contender.build(case, context, image, file)
        contender.build(case, context, name)
    except Refused as refusal:
        return refusal
    changes = contender.picture(name).changes(base)
    changes.pop("/", None)
    return changes


def compared(
    case: Case, ours: dict[str, object], theirs: dict[str, object]
) -> dict[str, tuple[object, object]]:
    """What differs, without what is known to; a known difference that is none any more is one."""
    found = {
        key: (ours.get(key, "as in the base"), theirs.get(key, "as in the base"))
        for key in sorted({*ours, *theirs})
        if (ours.get(key, ...) != theirs.get(key, ...)) != (key in case.differs)
    }
    return found | {key: ("differs no more",) * 2 for key in case.differs if key not in {*ours, *theirs}}


PEERS = {"docker": "docker_build", "buildah": "buildah_bud"}


def _parameters(*, with_peer: bool) -> list[object]:
    return [case for case in map(cases.load, cases.names()) if (case.peer in PEERS) is with_peer]


@pytest.mark.root
@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.parametrize("case", _parameters(with_peer=True), ids=lambda case: case.name)
def test_the_same_image(
    case: Case, composer: ComposerBuild, base: Picture, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    peer: Contender = request.getfixturevalue(PEERS[case.peer])
    ours = outcome(composer, case, tmp_path / "ours", base)
    theirs = outcome(peer, case, tmp_path / "theirs", base)
    if case.fails:
        assert isinstance(theirs, Refused), "the other builder builds it"
        assert isinstance(ours, Refused), "composer builds it"
        assert case.fails in str(ours)
        return
    assert not isinstance(theirs, Refused), f"the other builder refuses it: {theirs}"
    assert not isinstance(ours, Refused), f"composer refuses it: {ours}"
    assert compared(case, ours, theirs) == {}


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("case", _parameters(with_peer=False), ids=lambda case: case.name)
def test_as_written_down(case: Case, composer: ComposerBuild, base: Picture, tmp_path: Path) -> None:
    ours = outcome(composer, case, tmp_path / "ours", base)
    assert not isinstance(ours, Refused), f"composer refuses it: {ours}"
    assert compared(case, ours, dict(case.expected)) == {}


def test_every_difference_has_its_reason_in_the_documentation() -> None:
    _, _, section = PAGE.read_text().partition("### Where builds differ from `docker build`")
    documented = set(re.findall(r"^\| `([a-z-]+)` \|", section.partition("\n## ")[0], re.MULTILINE))
    assert {reason for name in cases.names() for reason in cases.load(name).differs.values()} == documented
