"""The binding of the C++ core (``csrc/``), through ctypes and its plain C interface. Works without torch.

Where the package was installed without a compiler there is no core: ``find_core()`` says so, as a value.
"""
