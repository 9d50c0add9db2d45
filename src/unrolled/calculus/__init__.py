"""Mathematics on expressions: unrolling in time, sizes, evaluation in numpy, forward and reverse mode, tapes."""
