"""Results as a page: sentences, tables, charts, one self-contained HTML file."""
