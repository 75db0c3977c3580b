"""Which test reads the effect of each honoured attribute; a column of the support table.

A test is ``file::name``, the name being a function or the key of a row in one of the file's tables.  A gate
checks that every honoured attribute has one and that it is there.
"""

from __future__ import annotations

import ast
import functools
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_ATTRIBUTES = "scenarios/test_attributes.py"
_VOLUMES = "scenarios/test_volumes.py"
_HOOKS = "scenarios/test_hooks.py"
_LIFECYCLE = "scenarios/test_lifecycle.py"
_NETWORKS = "scenarios/test_networks.py"
_BUILDS = "unit/planner/test_builds.py::test_every_attribute_arrives"

_SAME_NAME = [
    "blkio_config",
    "cap_add",
    "cap_drop",
    "cgroup",
    "cgroup_parent",
    "command",
    "configs",
    "container_name",
    "cpu_quota",
    "cpu_shares",
    "cpus",
    "cpuset",
    "device_cgroup_rules",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "env_file",
    "environment",
    "extra_hosts",
    "group_add",
    "hostname",
    "init",
    "ipc",
    "links",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "privileged",
    "read_only",
    "secrets",
    "shm_size",
    "stdin_open",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "user",
    "userns_mode",
    "uts",
    "volumes_from",
    "working_dir",
]
"""Attributes whose row in the table of ``test_attributes`` is called as they are."""

TESTS: dict[str, str] = {
    **{f"services.*.{name}": f"{_ATTRIBUTES}::{name}" for name in _SAME_NAME},
    "name": "unit/stackfile/test_load.py::test_the_name_is_the_same_with_and_without_loading",
    "services.*.profiles": f"{_LIFECYCLE}::test_scale_orphans_profiles",
    "services.*.build.context": "unit/dockerfile/test_builder_as_root.py::test_stages_commands_and_copies",
    "services.*.build.dockerfile": "unit/dockerfile/test_builder.py::test_stages_copies_and_configuration",
    "services.*.build.dockerfile_inline": "unit/dockerfile/test_source.py::test_an_inline_dockerfile_needs_no_file",
    "services.*.build.args": "unit/dockerfile/test_builder.py::test_declared_arguments_are_in_the_history",
    "services.*.build.target": "unit/dockerfile/test_stages.py::test_only_what_the_target_needs_in_order",
    "services.*.build.no_cache": "unit/dockerfile/test_builder.py::test_no_cache_runs_again",
    "services.*.build.additional_contexts": "unit/planner/test_builds.py::test_order_follows_contexts_and_base_images",
    **{
        f"services.*.build.{name}": _BUILDS
        for name in (
            "entitlements", "ssh", "labels", "cache_from", "cache_to", "pull", "extra_hosts", "network", "secrets",
            "shm_size", "tags", "ulimits", "platforms", "privileged",
        )
    },
    "services.*.attach": "unit/supervisor/test_asking.py::test_whose_output_is_shown",
    "services.*.annotations": f"{_ATTRIBUTES}::test_annotations_reach_the_runtime",
    "services.*.cpu_period": f"{_ATTRIBUTES}::cpu_quota",
    "services.*.cpu_rt_period": "unit/runtime/test_resources.py::test_realtime",
    "services.*.cpu_rt_runtime": "unit/runtime/test_resources.py::test_realtime",
    "services.*.depends_on": f"{_LIFECYCLE}::test_up_plan_change_data",
    "services.*.deploy.replicas": "scenarios/test_verbs.py::test_scale_port_ls_volumes_rm",
    "services.*.deploy.resources.limits.cpus": f"{_ATTRIBUTES}::deploy limits",
    "services.*.deploy.resources.limits.memory": f"{_ATTRIBUTES}::deploy limits",
    "services.*.deploy.resources.limits.pids": f"{_ATTRIBUTES}::deploy limits",
    "services.*.deploy.resources.reservations.devices": "scenarios/test_devices.py::test_a_device_of_cdi",
    **{
        f"services.*.deploy.restart_policy.{name}": f"{_ATTRIBUTES}::test_a_restart_policy_counts_waits_and_gives_up"
        for name in ("condition", "delay", "max_attempts")
    },
    "services.*.deploy.restart_policy.window": "unit/planner/test_restart.py::test_tries_are_counted_anew_after_a_good_start",
    "services.*.devices": f"{_ATTRIBUTES}::devices",
    "services.*.extends": "unit/stackfile/test_merging.py",
    "services.*.external_links": f"{_NETWORKS}::test_stacks_share_a_network",
    "services.*.gpus": "scenarios/test_devices.py::test_a_device_of_cdi",
    "services.*.healthcheck": f"{_LIFECYCLE}::test_up_plan_change_data",
    "services.*.image": "scenarios/test_pulling.py::test_what_is_missing_is_pulled_and_runs",
    "services.*.labels": f"{_ATTRIBUTES}::test_labels_of_the_file_and_of_label_files",
    "services.*.label_file": f"{_ATTRIBUTES}::test_labels_of_the_file_and_of_label_files",
    "services.*.logging": "scenarios/test_logging.py::test_logs_are_read_over_rotations_and_kept_within_their_bound",
    "services.*.network_mode": f"{_ATTRIBUTES}::network_mode none",
    **{
        f"services.*.networks.*.{name}": f"{_ATTRIBUTES}::networks {row}"
        for name, row in {
            "aliases": "aliases",
            "driver_opts": "driver_opts",
            "gw_priority": "gw_priority",
            "interface_name": "interface_name",
            "ipv4_address": "addresses",
            "ipv6_address": "addresses",
            "link_local_ips": "link_local_ips",
            "mac_address": "mac_address",
            "priority": "priority",
        }.items()
    },
    "services.*.platform": "unit/model/test_platforms.py::test_what_is_no_platform",
    "services.*.provider": "scenarios/test_providers.py::test_it_is_asked_and_its_variables_reach_who_depends_on_it",
    "services.*.ports": f"{_NETWORKS}::test_a_range_takes_a_free_port_and_keeps_it",
    "services.*.pull_policy": "scenarios/test_pulling.py::test_a_moved_tag_recreates_under_always",
    "services.*.restart": "scenarios/test_by_hand.py::test_restart_always_survives_the_supervisor",
    "services.*.runtime": "scenarios/test_runtimes.py::test_a_container_of_another_runtime_by_path",
    "services.*.scale": f"{_LIFECYCLE}::test_scale_orphans_profiles",
    "services.*.security_opt": f"{_ATTRIBUTES}::seccomp profile",
    "services.*.stop_grace_period": f"{_ATTRIBUTES}::test_the_signal_and_the_grace_are_the_services",
    "services.*.stop_signal": f"{_ATTRIBUTES}::test_the_signal_and_the_grace_are_the_services",
    "services.*.volumes": f"{_VOLUMES}::read-only bind",
    "services.*.post_start": f"{_HOOKS}::test_hooks_run_as_they_say_and_before_dependents_start",
    "services.*.pre_stop": f"{_HOOKS}::test_a_failing_pre_stop_keeps_it_running_but_not_from_going_down",
    "networks.*.name": f"{_NETWORKS}::test_stacks_share_a_network",
    "networks.*.driver": f"{_NETWORKS}::test_host_and_none_as_external_networks",
    "networks.*.driver_opts": f"{_ATTRIBUTES}::networks mtu",
    "networks.*.ipam.driver": "unit/network/test_driver.py",
    "networks.*.ipam.config": f"{_ATTRIBUTES}::networks addresses",
    "networks.*.external": f"{_NETWORKS}::test_stacks_share_a_network",
    "networks.*.internal": f"{_ATTRIBUTES}::networks internal",
    "networks.*.labels": "unit/engine/test_inspection.py::test_networks_and_ports",
    "networks.*.enable_ipv4": "unit/network/test_dual_stack.py",
    "networks.*.enable_ipv6": f"{_NETWORKS}::test_a_scaled_service_has_several_addresses_of_both_families",
    "volumes.*.name": f"{_VOLUMES}::test_an_external_volume_is_used_and_never_removed",
    "volumes.*.driver": f"{_VOLUMES}::volume that binds",
    "volumes.*.driver_opts": f"{_VOLUMES}::tmpfs volume",
    "volumes.*.external": f"{_VOLUMES}::test_an_external_volume_is_used_and_never_removed",
    "volumes.*.labels": f"{_VOLUMES}::test_labels_are_those_of_the_file_and_ours",
    "secrets.*.name": "unit/stackfile/test_load.py::test_grants_and_material",
    "secrets.*.file": f"{_ATTRIBUTES}::secrets",
    "secrets.*.environment": f"{_ATTRIBUTES}::secrets",
    "configs.*.name": "unit/stackfile/test_load.py::test_grants_and_material",
    "configs.*.file": f"{_ATTRIBUTES}::configs",
    "configs.*.environment": "unit/stackfile/test_load.py::test_grants_and_material",
    "configs.*.content": f"{_ATTRIBUTES}::configs",
}  # fmt: skip


def is_there(reference: str) -> bool:
    """Whether the file has the function or the row; a file alone stands for all its tests."""
    file, _, name = reference.partition("::")
    return (ROOT / file).is_file() and (not name or name in _names_in(file))


@functools.cache
def _names_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    functions = {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    keys = {
        key.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }
    return frozenset(functions | keys)
