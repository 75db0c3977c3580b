"""The sub-verbs of ``composer volume``, one module each."""
