"""Runs, registry, and what a served model does."""
