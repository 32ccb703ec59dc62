"""Circuit breakers, retries and slow-call warnings, for any function, on the library's machinery.

All decorators work on functions, methods, static and class methods, synchronous and asynchronous,
and on functions that return awaitables.
"""

from ._native import StatementCache
from .circuit import CircuitBreaker, CircuitState, circuit_breaker
from .retry import retry_with_backoff
from .slow import overridable, track_slow_method

__all__ = [
    "CircuitBreaker",
    "CircuitState",
    "StatementCache",
    "circuit_breaker",
    "overridable",
    "retry_with_backoff",
    "track_slow_method",
]
