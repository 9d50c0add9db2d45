"""What is usually said for tanh, beside σ, relu, hard tanh and the identity."""
