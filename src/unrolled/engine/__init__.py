"""Executing programs in torch."""
