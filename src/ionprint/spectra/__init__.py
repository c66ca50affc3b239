"""From export files to the peak table: reading, calibration, peak search, borders, areas."""
