"""Run the target: agents and workflows, whole and streaming."""
