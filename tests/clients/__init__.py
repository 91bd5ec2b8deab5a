"""Official clients, as their makers publish them, against the emulator. `make conformance` runs these tests.

They aren't part of the default suite: they install the newest clients into `build/clients`.
"""
