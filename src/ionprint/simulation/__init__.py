"""The virtual instrument and the lithium reference set: chemistry, instrument, set, files."""
