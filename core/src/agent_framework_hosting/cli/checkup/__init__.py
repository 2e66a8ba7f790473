"""What ``agent-host doctor`` looks at: one check a function, each returning findings."""
