"""nftables commands, each call one transaction, through libnftables in this process.

A spawned ``nft`` costs 4 to 20 ms, the library 0.1 to 2 ms (docs/performance.md, section 2).  Without
the library (it comes with the ``nft`` tool nearly everywhere) the tool is spawned.
"""

from __future__ import annotations

import ctypes
import functools
import json
import socket
import struct
import threading
from collections.abc import Mapping, Sequence

import attrs

from composer import errors
from composer.host import process

_LIBRARY = "libnftables.so.1"
_OUTPUT_JSON = 1 << 4
_ABSENT = "No such file or directory"
_TOOL_SECONDS = 30.0

_turn = threading.Lock()
"""libnftables keeps parser state in globals: one command at a time in a process."""

Listed = Mapping[str, Mapping[str, object]]
"""One object of a JSON listing: its kind (``chain``, ``rule``, ...) mapped to its fields."""


@attrs.frozen(kw_only=True)
class _Answer:
    code: int
    output: str
    error: str


_NETLINK_NETFILTER = 12
_GET_GENERATION = (10 << 8) | 16
"""``NFNL_SUBSYS_NFTABLES`` and ``NFT_MSG_GETGEN`` (linux/netfilter/nf_tables.h)."""

_GENERATION_ID = 1


def generation() -> int | None:
    """The kernel's counter of ruleset changes, by anybody, in this network namespace.

    While it stands still, every listing would say what it said before.  ``None`` when unknown.
    """
    request = struct.pack("=IHHII4x", 20, _GET_GENERATION, 1, 1, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as channel:
            channel.settimeout(1.0)
            channel.sendto(request, (0, 0))
            answer = channel.recv(4096)
    except OSError:
        return None
    if struct.unpack_from("=H", answer, 4)[0] != (10 << 8) | 15:  # NFT_MSG_NEWGEN
        return None
    position = 20
    while position + 8 <= len(answer):
        length, kind = struct.unpack_from("=HH", answer, position)
        if kind == _GENERATION_ID:
            return int(struct.unpack_from(">I", answer, position + 4)[0])
        position += (max(length, 4) + 3) & ~3
    return None


def run(commands: str) -> None:
    """Carry out commands as one transaction: all or none; raises ``NetworkFailure``."""
    answer = _run(commands, as_json=False)
    if answer.code != 0:
        raise _failure(commands, answer.error)


def listing(command: str) -> Sequence[Listed] | None:
    """The objects that a ``list`` command names; ``None`` when the thing listed does not exist."""
    answer = _run(command, as_json=True)
    if answer.code != 0:
        if _ABSENT in answer.error:
            return None
        raise _failure(command, answer.error)
    try:
        document = json.loads(answer.output) if answer.output else {}
    except ValueError as error:
        message = f"nft {command}: answered no JSON"
        raise errors.NetworkFailure(message) from error
    objects: Sequence[Listed] = document.get("nftables", [])
    return objects


class Owner:
    """A socket that stays open, so that tables with ``flags owner`` stay its own (nft(8)).

    It belongs to the network namespace of the thread that opens it.
    """

    def __init__(self, library: ctypes.CDLL, context: int) -> None:
        self._library = library
        self._context = context

    @classmethod
    def open(cls) -> Owner | None:
        """``None`` without libnftables: a spawned ``nft`` owns nothing beyond its end."""
        library = _library()
        if library is None:
            return None
        with _turn:
            context = library.nft_ctx_new(0)
        return cls(library, context) if context else None

    def run(self, commands: str) -> None:
        """Carry out commands as one transaction; raises ``NetworkFailure``."""
        with _turn:
            library, context = self._library, self._context
            library.nft_ctx_buffer_error(context)
            code = library.nft_run_cmd_from_buffer(context, commands.encode())
            said = (library.nft_ctx_get_error_buffer(context) or b"").decode(errors="replace")
            library.nft_ctx_unbuffer_error(context)
        if code != 0:
            raise _failure(commands, said)

    def close(self) -> None:
        """Close the socket: every table of it goes."""
        with _turn:
            if self._context:
                self._library.nft_ctx_free(self._context)
                self._context = 0


def _failure(commands: str, said: str) -> errors.NetworkFailure:
    lines = said.strip().splitlines()
    reason = lines[0] if lines else "no reason given"
    message = f"nftables refused ({commands.strip().splitlines()[0]} ...): {reason}"
    return errors.NetworkFailure(message)


def _run(commands: str, *, as_json: bool) -> _Answer:
    with _turn:
        library = _library()
        if library is None:
            return _run_tool(commands, as_json=as_json)
        return _run_library(library, commands, as_json=as_json)


def _run_library(library: ctypes.CDLL, commands: str, *, as_json: bool) -> _Answer:
    context = library.nft_ctx_new(0)
    if not context:
        message = "libnftables gave no context"
        raise errors.NetworkFailure(message)
    try:
        library.nft_ctx_buffer_output(context)
        library.nft_ctx_buffer_error(context)
        if as_json:
            library.nft_ctx_output_set_flags(context, _OUTPUT_JSON)
        code = library.nft_run_cmd_from_buffer(context, commands.encode())
        output = library.nft_ctx_get_output_buffer(context) or b""
        error = library.nft_ctx_get_error_buffer(context) or b""
        return _Answer(code=code, output=output.decode(), error=error.decode(errors="replace"))
    finally:
        library.nft_ctx_free(context)


def _run_tool(commands: str, *, as_json: bool) -> _Answer:
    if as_json:  # a list command read from a file answers 0 and nothing where the thing is absent
        done = process.run(["nft", "-j", *commands.split()], seconds=_TOOL_SECONDS)
    else:
        done = process.run(["nft", "-f", "-"], stdin=commands.encode(), seconds=_TOOL_SECONDS)
    return _Answer(code=done.exit_code, output=done.output.decode(), error=done.said)


@functools.cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        return None
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    for name in ("nft_ctx_free", "nft_ctx_buffer_output", "nft_ctx_buffer_error", "nft_ctx_unbuffer_error"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        getattr(library, name).restype = ctypes.c_char_p
        getattr(library, name).argtypes = [ctypes.c_void_p]
    return library
