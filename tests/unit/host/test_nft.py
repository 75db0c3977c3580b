"""nftables transactions, by library and by tool."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from composer import errors
from composer.host import netns, nft

pytestmark = pytest.mark.root


@pytest.fixture
def host() -> Iterator[netns.Namespace]:
    namespace = netns.make(lambda _descriptor: None)
    yield namespace
    namespace.close()


@pytest.fixture(params=["library", "tool"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "tool":
        monkeypatch.setattr(nft, "_library", lambda: None)


@pytest.mark.usefixtures("_way")
def test_transactions_are_all_or_nothing(host: netns.Namespace) -> None:
    def inside() -> None:
        nft.run("table inet mine {\nchain one {\n}\n}\n")
        with pytest.raises(errors.NetworkFailure, match="nftables refused"):
            nft.run("add chain inet mine two\nadd rule inet mine nowhere drop\n")
        listed = nft.listing("list table inet mine")
        assert listed is not None
        assert [item["chain"]["name"] for item in listed if "chain" in item] == ["one"]

    netns.run_in(host.descriptor, inside)


@pytest.mark.usefixtures("_way")
def test_absent_table_is_none(host: netns.Namespace) -> None:
    assert netns.run_in(host.descriptor, lambda: nft.listing("list table inet nowhere")) is None
    empty = netns.run_in(host.descriptor, lambda: nft.listing("list chains"))
    assert empty is not None
    assert not any("chain" in item for item in empty)


@pytest.mark.usefixtures("_way")
def test_syntax_error_is_translated(host: netns.Namespace) -> None:
    with pytest.raises(errors.NetworkFailure, match="syntax error"):
        netns.run_in(host.descriptor, lambda: nft.run("gibberish\n"))
