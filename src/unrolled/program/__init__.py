"""From equations to instruction lists: what leaves the time loop, the loop's body, its adjoint."""
