"""The sub-verbs of ``composer container``, one module each or a few that are alike."""
