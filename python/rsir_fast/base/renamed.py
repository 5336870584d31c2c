"""Names of former versions: each is an error that says the new one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import NoReturn, ParamSpec, TypeVar

__all__ = ["former_arguments", "former_names"]

P = ParamSpec("P")
R = TypeVar("R")


def former_arguments(**now: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Refuse keyword arguments of a function by their former names.

    Parameters
    ----------
    **now
        Former name = name now.

    Examples
    --------
    >>> @former_arguments(width="size")
    ... def square(size: int) -> int:
    ...     return size * size
    >>> square(width=3)
    Traceback (most recent call last):
        ...
    TypeError: square: expected size, got width, as it was called; write size=
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            for old in kwargs.keys() & now.keys():
                raise TypeError(
                    f"{function.__name__}: expected {now[old]}, got {old}, as it was called; write {now[old]}="
                )
            return function(*args, **kwargs)

        return checked

    return decorate


def former_names(module: str, now: Mapping[str, str]) -> Callable[[str], NoReturn]:
    """Return the ``__getattr__`` of a module: an error for every name that is not there, with the new name of these.

    Parameters
    ----------
    module
        Its name.
    now
        Full name now, by the former name.
    """

    def getattr_(name: str) -> NoReturn:
        if name in now:
            # `from module import name` hides the words of an AttributeError.
            raise ImportError(f"{module}.{name} is called {now[name]} now")
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return getattr_
