"""May this identity speak: allowlists, the decision, its audit and the checks made while the host is built."""
