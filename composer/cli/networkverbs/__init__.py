"""The sub-verbs of ``composer network``, one module each."""
