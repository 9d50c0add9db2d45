"""How fast Unrolled is beside others: ``python -m benchmarks --help``.

Each library runs in processes of its own, one at a time, in rounds that alternate between them; what is reported are
medians over the rounds, and medians of the ratios within a round, which a busy machine disturbs least.
"""
