"""Names and labels: everything that is derived from the stack and the resource, never random.

A later run finds what a dead run left because it computes the same names.  Names of stacks,
containers, networks and volumes follow Docker Compose (``project-service-1``, ``project_network``);
names of kernel objects are a short hash, because an interface name has at most 15 bytes
(``IFNAMSIZ``, linux/if.h) and two long project names may share a prefix.
"""

from __future__ import annotations

import hashlib
import re

STACK_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*", re.ASCII)
"""What a stack may be called (Compose Specification, ``name``)."""

CONTAINER_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", re.ASCII)
"""What a container may be called (as with Docker)."""

VOLUME_NAME = CONTAINER_NAME
"""What a volume may be called."""

DEFAULT_NETWORK = "default"

DEFAULT_STACK = "default"
"""The reserved stack of containers that belong to no stack file (``composer container run``)."""

DEFAULT_BRIDGE = "bridge"
"""The network of theirs that is made and goes with them; Docker's name for its own."""

LABEL_PROJECT = "com.docker.compose.project"
LABEL_SERVICE = "com.docker.compose.service"
LABEL_NUMBER = "com.docker.compose.container-number"
LABEL_ONE_OFF = "com.docker.compose.oneoff"
LABEL_CONFIG_HASH = "com.docker.compose.config-hash"
LABEL_WORKING_DIR = "com.docker.compose.project.working_dir"
LABEL_CONFIG_FILES = "com.docker.compose.project.config_files"
LABEL_NETWORK = "com.docker.compose.network"
LABEL_VOLUME = "com.docker.compose.volume"


def stack_name_from(text: str) -> str:
    """Turn a directory's name into a stack name as Docker Compose does; may return ``""``."""
    return re.sub(r"[^a-z0-9_-]", "", text.lower()).lstrip("_-")


def container_name(stack: str, service: str, number: int) -> str:
    """``stack-service-number``."""
    return f"{stack}-{service}-{number}"


def container_id(stack: str, service: str, number: int, generation: int) -> str:
    """The 64 hexadecimal digits that name one incarnation of a container.

    ``generation`` grows by one with each recreation; it is recorded before the container is made.
    """
    text = f"composer/container/{stack}/{service}/{number}/{generation}"
    return hashlib.sha256(text.encode()).hexdigest()


def resource_name(stack: str, key: str) -> str:
    """``stack_key``: the name of a network or volume that is not named explicitly."""
    return f"{stack}_{key}"


def built_image_name(stack: str, service: str) -> str:
    """``stack-service``: the image of a service that has a build section and no image."""
    return f"{stack}-{service}"


def short_hash(*parts: str) -> str:
    """Ten hexadecimal digits of a hash over ``parts``."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:10]


def network_id(network: str, root: str) -> str:
    """The 64 hexadecimal digits that name a network; ``root`` is the store's key."""
    return hashlib.sha256(f"composer/network/{root}/{network}".encode()).hexdigest()


def bridge_name(network: str, root: str) -> str:
    """The bridge of a network; ``root`` is the state directory, so that two stores never collide."""
    return f"cpb{short_hash('bridge', root, network)}"


def veth_name(container: str, network: str, root: str) -> str:
    """The host end of the pair that attaches ``container`` (an id) to ``network``."""
    return f"cpv{short_hash('veth', root, container, network)}"


def table_name(stack: str, root: str) -> str:
    """The nft table (family inet) that holds every rule of one stack."""
    return f"composer_{short_hash('table', root, stack)}"
