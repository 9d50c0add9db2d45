"""Mathematics on expressions: sizes, evaluation in numpy, reverse mode."""
