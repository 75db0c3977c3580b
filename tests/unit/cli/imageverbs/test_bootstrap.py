"""``image bootstrap``: what cannot be combined."""

import pytest

from composer import errors
from composer.cli.imageverbs import bootstrap
from tests.fakes.command_line import Stage


@pytest.mark.parametrize("option", [["--include", "vim"], ["--suite", "bookworm"]])
def test_busybox_takes_no_packages(option: list[str]) -> None:
    with pytest.raises(errors.UsageError, match="--busybox"):
        Stage(None, []).run(bootstrap, ["--busybox", *option, "busybox"])
