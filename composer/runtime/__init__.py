"""Containers on this host: overlay root, OCI runtime, conmon, logs, security baseline."""
