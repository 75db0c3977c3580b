"""The commands below ``composer system``: one module each."""
