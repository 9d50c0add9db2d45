"""Drawings of Systems and Networks: one scene, several writers.

``unrolling`` (or ``operations``, for every operation a node) says what a picture shows, ``layout`` where, ``svg``,
``tikz`` and ``plot`` write it.
"""
