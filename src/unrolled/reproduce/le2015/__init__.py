"""Le, Jaitly & Hinton 2015: the adding problem."""
