"""Forks for tests, whose process has much in it that is not ours."""

import gc
import os
import pty


def fork() -> int:
    """As os.fork(), but the child never collects what was garbage here already: DuckDB's databases
    would wait there for their threads, which a child does not have."""
    return fork_with_terminal(with_one=False)[0]


def fork_with_terminal(with_one: bool = True) -> tuple[int, int]:
    """As pty.fork(), likewise."""
    gc.collect()
    gc.freeze()
    child, terminal = pty.fork() if with_one else (os.fork(), -1)
    if child:
        gc.unfreeze()
    return child, terminal
