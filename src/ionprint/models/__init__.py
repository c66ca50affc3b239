"""Transformers, pipelines, splits, tuning, evaluation, ion ranking."""
