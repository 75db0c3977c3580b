"""Pure values that every other package speaks in; imports nothing of composer but ``errors``."""
