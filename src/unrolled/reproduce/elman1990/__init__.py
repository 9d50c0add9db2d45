"""Elman 1990, "Finding structure in time": four simulations, as they were and with the training of today."""
