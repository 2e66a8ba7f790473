"""From a host's options to its parts: what is chosen, what is refused, in which order it starts and stops."""
