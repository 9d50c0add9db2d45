"""Siegelmann & Sontag 1995, "On the computational power of neural nets": a network that computes, with weights that
nobody learnt."""
