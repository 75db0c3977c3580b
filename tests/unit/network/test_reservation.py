"""Host ports held by sockets, on loopback only."""

from __future__ import annotations

import os
import socket

import attrs
import pytest

from composer import errors
from composer.model.stack import PublishedPort
from composer.network import reservation

LOCAL = PublishedPort(target=80, host_ip="127.0.0.1")


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_chosen_port_is_held_and_named(protocol: str) -> None:
    chosen, holder = reservation.reserve(attrs.evolve(LOCAL, protocol=protocol))
    assert holder is not None
    with holder:
        assert chosen == attrs.evolve(LOCAL, protocol=protocol, published=holder.getsockname()[1])
        with pytest.raises(errors.PortTaken, match=f"{chosen.published}/{protocol} is taken"):
            reservation.reserve(chosen)
    again, holder = reservation.reserve(chosen)
    assert holder is not None
    holder.close()
    assert again == chosen


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_listener_is_named(address: str) -> None:
    with socket.socket() as program:
        program.bind((address, 0))
        program.listen()
        wanted = attrs.evolve(LOCAL, published=program.getsockname()[1])
        with pytest.raises(errors.PortTaken, match=rf"by .+ \(pid {os.getpid()}\)") as caught:
            reservation.reserve(wanted)
        assert str(os.getpid()) in caught.value.hint


def test_held_port_refuses_callers_at_once() -> None:
    chosen, holder = reservation.reserve(LOCAL)
    assert holder is not None
    with holder, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", chosen.published), 2)


def test_lingering_connections_are_not_in_the_way() -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # the side that closes first keeps TIME_WAIT, here on the port
            assert client.recv(1) == b""
    chosen, holder = reservation.reserve(attrs.evolve(LOCAL, published=port))
    assert holder is not None
    with holder, socket.socket() as program:
        assert chosen.published == port
        program.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            program.bind(("127.0.0.1", port))


def test_address_of_another_host() -> None:
    with pytest.raises(errors.ConflictError, match=r"192\.0\.2\.77 is no address of this host"):
        reservation.reserve(attrs.evolve(LOCAL, host_ip="192.0.2.77", published=8080))


def test_sctp_cannot_be_held() -> None:
    port = attrs.evolve(LOCAL, protocol="sctp", published=5000)
    assert reservation.reserve(port) == (port, None)
