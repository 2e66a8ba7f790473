"""Durable work: records, order, attempts, retries, dead letters."""
