"""The parts of one turn that ``inbound.py`` puts in order."""
