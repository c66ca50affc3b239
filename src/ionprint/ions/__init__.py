"""Formulas, exact masses, isotopes, and what a peak is."""
