"""Where an answer goes, and that it gets there: plan, outbox, push, journal and recovery."""
