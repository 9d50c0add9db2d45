"""Marking an answer: is a claim about an expansion, a derivative or a tape right, and if not, where does it go wrong?

``check`` is the entry; ``terms`` reads a claim, ``draws`` makes numbers, ``readings`` computes with them,
``expected`` says what would be right, ``repair`` and ``alignment`` find the place of a mistake, ``rows`` marks tapes.
"""
