"""Raw kernel and disk things, one per module; knows nothing of stacks."""
