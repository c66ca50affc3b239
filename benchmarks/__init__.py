"""Speed, ours beside the plain alternative, measured in one run: `make bench`."""
