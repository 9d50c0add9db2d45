"""Pascanu, Mikolov & Bengio 2013: the temporal-order problem with and without clipping."""
