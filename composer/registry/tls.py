"""Which certificates a registry is trusted by: the system's, and the directories that engines share.

``<directory>/HOST[:PORT]/`` holds ``*.crt`` (authorities) and pairs ``NAME.cert`` and ``NAME.key`` (ours),
below ``~/.config/containers/certs.d``, ``/etc/containers/certs.d`` and ``/etc/docker/certs.d``
(containers-certs.d(5); docker.com, "Verify repository client with certificates").
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from composer import errors

SYSTEM = (Path("/etc/containers/certs.d"), Path("/etc/docker/certs.d"))

_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
"""Where distributions keep their authorities, for a Python that was built elsewhere."""


def directories(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """The roots of certificate directories, the user's first."""
    base = environment.get("XDG_CONFIG_HOME") or f"{environment.get('HOME') or '/root'}/.config"
    return (Path(base) / "containers/certs.d", *SYSTEM)


def context_for(hosts: tuple[str, ...], roots: tuple[Path, ...], *, is_insecure: bool) -> ssl.SSLContext:
    """The context for a registry known by these names; raises ``RegistryError`` for a bad certificate file.

    ``is_insecure`` accepts any certificate: ``registries.conf`` says so, or it is on this machine.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not context.get_ca_certs() and not ssl.get_default_verify_paths().capath:
        for bundle in _BUNDLES:
            if Path(bundle).is_file():
                context.load_verify_locations(cafile=bundle)
                break
    if is_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    for root in roots:
        for host in hosts:
            _load(context, root / host)
    return context


def _load(context: ssl.SSLContext, directory: Path) -> None:
    for file in sorted(directory.glob("*")) if directory.is_dir() else ():
        try:
            if file.suffix == ".crt":
                context.load_verify_locations(cafile=file)
            elif file.suffix == ".cert":
                context.load_cert_chain(file, file.with_suffix(".key"))
        except (OSError, ssl.SSLError) as error:
            message = f"cannot use the certificate {file}: {error}"
            raise errors.RegistryError(message) from error
