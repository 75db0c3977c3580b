"""The registry client: images fetched from and sent to registries (OCI distribution-spec v1.1)."""
