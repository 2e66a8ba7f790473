"""Prove that two identities are one person."""
