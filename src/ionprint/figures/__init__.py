"""Data in, Figure out: one module a figure."""
