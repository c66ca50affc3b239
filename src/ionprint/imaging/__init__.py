"""Images and cubes of spectra: reading them piece by piece, whatever their format."""
