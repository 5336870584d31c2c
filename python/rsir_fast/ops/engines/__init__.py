"""Who does the work: the host's cores, a CUDA device, or several; below the faces, on arrays and raw pointers.

Each engine is a module with the same functions (`rsir_fast.ops._engine.Engine`); which one serves a call is decided
there, once.
"""
