"""What a mixture or an anode holds."""
