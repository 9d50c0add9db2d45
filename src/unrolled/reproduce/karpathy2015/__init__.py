"""Karpathy, Johnson & Fei-Fei 2015, "Visualizing and understanding recurrent networks": cells, layers and sizes."""
