"""What a reader sees: formulas, tapes, derivations, marks, drawings."""
