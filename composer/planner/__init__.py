"""Pure decisions: what should exist, how it differs from what does, what to do about it."""
