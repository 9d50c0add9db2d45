"""How much the state of a recurrent network holds: symbols recalled, and what it learns by heart."""
