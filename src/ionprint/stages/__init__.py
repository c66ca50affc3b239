"""One short module a pipeline stage: read, call, write."""
