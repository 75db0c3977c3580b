"""Keys of the Compose Specification that composer knows but does not honour yet.

They are refused as *unsupported*, which is another thing than unknown: the file is right, we are not
there yet.  (Compose Specification, 2026-06; the list shrinks with every issue.)
"""

from __future__ import annotations

_SERVICE = """
annotations attach blkio_config cgroup cgroup_parent container_name cpu_count cpu_percent cpu_period
cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpuset credential_spec deploy develop device_cgroup_rules
devices dns dns_opt dns_search domainname expose extends external_links extra_hosts gpus group_add ipc
isolation label_file links logging mac_address mem_reservation mem_swappiness memswap_limit models
network_mode oom_kill_disable oom_score_adj pid platform post_start pre_start pre_stop privileged provider
pull_policy pull_refresh_after runtime security_opt shm_size stdin_open storage_opt sysctls
tty ulimits use_api_socket userns_mode uts volumes_from
"""
_BUILD = """
additional_contexts cache_from cache_to entitlements extra_hosts isolation labels network no_cache platforms
privileged provenance pull sbom secrets shm_size ssh tags ulimits
"""
_NETWORK = "attachable driver_opts enable_ipv4 enable_ipv6"
_ATTACHMENT = "driver_opts gw_priority interface_name ipv6_address link_local_ips mac_address priority"
_MOUNT = "consistency image cluster npipe"

UNSUPPORTED_TYPES = ("image", "npipe", "cluster")
"""Types of mounts that the Compose Specification has besides ours."""

UNSUPPORTED: tuple[tuple[str, frozenset[str]], ...] = (
    ("", frozenset({"include", "models"})),
    ("services.*", frozenset(_SERVICE.split())),
    ("services.*.build", frozenset(_BUILD.split())),
    ("services.*.networks.*", frozenset(_ATTACHMENT.split())),
    ("services.*.volumes.*", frozenset(_MOUNT.split())),
    ("services.*.volumes.*.bind", frozenset({"propagation", "selinux", "recursive"})),
    ("services.*.volumes.*.volume", frozenset({"subpath", "labels"})),
    ("networks.*", frozenset(_NETWORK.split())),
    ("networks.*.ipam", frozenset({"options"})),
    ("networks.*.ipam.config.*", frozenset({"ip_range", "aux_addresses"})),
    ("volumes.*", frozenset({"driver_opts"})),
    ("secrets.*", frozenset({"external", "driver", "driver_opts", "template_driver"})),
    ("configs.*", frozenset({"external", "driver", "driver_opts", "template_driver"})),
)
"""By place (a pattern), the keys that are known and refused."""
