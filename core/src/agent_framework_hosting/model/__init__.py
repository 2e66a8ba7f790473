"""Frozen values without I/O: what travels between a wire, the host and a target."""
