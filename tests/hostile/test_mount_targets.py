"""L42: what an image has where something will be mounted is never followed on the host."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from composer import errors
from composer.runtime import targets


class Image:
    """The root of an image beside a canary that its links lead to."""

    def __init__(self, directory: Path) -> None:
        self.canary = directory / "canary"
        self.canary.mkdir()
        (self.canary / "hosts").write_text("untouched")
        self.root = directory / "root"
        (self.root / "etc").mkdir(parents=True)
        self.descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)

    def canary_is_untouched(self) -> bool:
        return os.listdir(self.canary) == ["hosts"] and (self.canary / "hosts").read_text() == "untouched"


@pytest.fixture
def image(tmp_path: Path) -> Iterator[Image]:
    made = Image(tmp_path)
    yield made
    os.close(made.descriptor)
    assert made.canary_is_untouched()


@pytest.mark.parametrize("path", ["proc", "dev", "sys"])
@pytest.mark.parametrize(
    "make",
    [
        lambda place, image: place.symlink_to(image.canary),
        lambda place, _image: place.symlink_to("../../canary"),
        lambda place, _image: place.write_text("a file"),
        lambda place, _image: os.mkfifo(place),
    ],
    ids=["absolute link", "relative link", "file", "fifo"],
)
def test_system_directories_must_be_directories(
    path: str, make: Callable[[Path, Image], object], image: Image
) -> None:
    make(image.root / path, image)
    with pytest.raises(errors.HostileLayer, match=f"no directory at /{path}"):
        targets.prepare_system(image.descriptor, "container")


@pytest.mark.parametrize("name", ["hosts", "hostname", "resolv.conf"])
def test_a_link_in_the_place_of_our_files_is_replaced(name: str, image: Image) -> None:
    (image.root / "etc" / name).symlink_to(image.canary / "hosts")
    targets.prepare_our_files(image.descriptor)
    assert not (image.root / "etc" / name).is_symlink()
    assert (image.root / "etc" / name).read_bytes() == b""


def test_a_directory_in_the_place_of_our_files_is_refused(image: Image) -> None:
    (image.root / "etc/hosts").mkdir()
    with pytest.raises(errors.HostileLayer, match="a directory at /etc/hosts"):
        targets.prepare_our_files(image.descriptor)


def test_etc_itself_may_lead_anywhere_inside(image: Image) -> None:
    (image.root / "etc").rmdir()
    (image.root / "etc").symlink_to(image.canary)
    targets.prepare_our_files(image.descriptor)
    inside = image.root / str(image.canary).lstrip("/")
    assert sorted(os.listdir(inside)) == ["hostname", "hosts", "resolv.conf"]


@pytest.mark.parametrize(
    ("target", "is_directory"), [("/data", True), ("/data/deep/er", True), ("/data/deep/er", False)]
)
def test_mount_targets_stay_inside(target: str, image: Image, *, is_directory: bool) -> None:
    (image.root / "data").symlink_to(image.canary)
    resolved = targets.prepare(image.descriptor, target, is_directory=is_directory)
    assert resolved.startswith(str(image.canary))  # as the container sees it
    made = image.root / resolved.lstrip("/")
    assert made.is_dir() if is_directory else made.is_file()


def test_a_file_over_a_link_that_leads_out_is_refused(image: Image) -> None:
    (image.root / "data").symlink_to(image.canary / "hosts")
    with pytest.raises(errors.OperationFailed, match="cannot mount at /data"):
        targets.prepare(image.descriptor, "/data", is_directory=False)
