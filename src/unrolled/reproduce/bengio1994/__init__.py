"""Bengio, Simard & Frasconi 1994: one neuron that is to keep one bit."""
