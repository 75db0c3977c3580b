"""The commands below ``composer image``: one module each, as ``cli.commands`` has one per verb."""
