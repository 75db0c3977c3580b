"""One process per running stack: converges, probes health, restarts, answers DNS.

It can be killed at any moment: conmon holds the containers, records and kernel hold the state, and
the next command (or conmon's exit hook) starts a new one, which adopts what runs.
"""
