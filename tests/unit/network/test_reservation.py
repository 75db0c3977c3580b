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
@pytest.mark.parametrize("host_ip", ["127.0.0.1", "::1", "", "0.0.0.0", "::"])
def test_chosen_port_is_held_and_named(protocol: str, host_ip: str) -> None:
    wanted = attrs.evolve(LOCAL, protocol=protocol, host_ip=host_ip)
    number, holders = reservation.reserve(wanted)
    try:
        assert {holder.getsockname()[1] for holder in holders} == {number}
        families = {holder.family for holder in holders}
        expected = {
            "": {socket.AF_INET, socket.AF_INET6},
            "127.0.0.1": {socket.AF_INET},
            "0.0.0.0": {socket.AF_INET},
        }.get(host_ip, {socket.AF_INET6})
        assert families == expected
        with pytest.raises(errors.PortTaken, match=f"{number}/{protocol} is taken"):
            reservation.reserve(attrs.evolve(wanted, published=number))
    finally:
        _close(holders)
    again, holders = reservation.reserve(attrs.evolve(wanted, published=number))
    _close(holders)
    assert again == number


def _close(holders: tuple[socket.socket, ...]) -> None:
    for holder in holders:
        holder.close()


def test_port_taken_in_one_family_is_not_half_held() -> None:
    with socket.socket(socket.AF_INET6) as program:
        program.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        program.bind(("::", 0))
        program.listen()
        number = program.getsockname()[1]
        with pytest.raises(errors.PortTaken, match=rf"by .+ \(pid {os.getpid()}\)"):
            reservation.reserve(PublishedPort(target=80, published=number))
        with socket.socket() as other:
            other.bind(("0.0.0.0", number))  # nothing of ours is left on it


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
    number, (holder,) = reservation.reserve(LOCAL)
    with holder, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", number), 2)


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
    chosen, (holder,) = reservation.reserve(attrs.evolve(LOCAL, published=port))
    with holder, socket.socket() as program:
        assert chosen == port
        program.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            program.bind(("127.0.0.1", port))


def test_callers_of_a_dead_supervisor_are_not_in_its_successors_way() -> None:
    wanted = PublishedPort(target=80, host_ip="::1")
    number, (listener,) = reservation.reserve(wanted)
    with socket.create_connection(("::1", number)):
        listener.setblocking(True)
        accepted, _ = listener.accept()
        accepted.close()
        listener.close()
    again, holders = reservation.reserve(attrs.evolve(wanted, published=number))
    _close(holders)
    assert again == number


def test_address_of_another_host() -> None:
    with pytest.raises(errors.ConflictError, match=r"192\.0\.2\.77 is no address of this host"):
        reservation.reserve(attrs.evolve(LOCAL, host_ip="192.0.2.77", published=8080))


def test_sctp_is_held_where_the_kernel_has_it() -> None:
    port = attrs.evolve(LOCAL, protocol="sctp", published=5000)
    number, holders = reservation.reserve(port)
    _close(holders)
    assert number == 5000
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError:
        assert holders == ()
        with pytest.raises(errors.HostUnsupported, match="no SCTP"):
            reservation.reserve(attrs.evolve(port, published=0))
    else:
        assert len(holders) == 1
