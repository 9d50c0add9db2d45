"""The libraries. Each module has ``prepare(work, threads)``: a function that does the work once, and the version."""
