"""What botocore looks up for each client of S3, looked up once for all of them.

A new client reads the description of S3 and looks for those of all other services, and the
arguments of a hundred handlers are inspected. That takes a fifth of a CPU second for the first
client and most of the time for each further one, in each test that looks at a bucket and in each
service.
"""

import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from weakref import WeakKeyDictionary

from botocore import hooks
from botocore.loaders import JSONFileLoader, Loader


@contextmanager
def read_models_once() -> Iterator[None]:
    """What has been found is kept while this is entered."""
    with (
        patch.object(JSONFileLoader, "load_file", _kept_files(JSONFileLoader.load_file)),
        patch.object(
            Loader, "list_available_services", _kept_services(Loader.list_available_services)
        ),
        patch.object(hooks, "accepts_kwargs", _kept_inspections(hooks.accepts_kwargs)),
    ):
        yield


def _kept_files(read: Callable[[JSONFileLoader, str], Any]) -> Callable[..., Any]:
    known: dict[str, Any] = {}

    def load_file(loader: JSONFileLoader, path: str) -> Any:
        if path not in known:
            known[path] = read(loader, path)
        return known[path]

    return load_file


def _kept_services(look: Callable[[Loader, str], list[str]]) -> Callable[..., list[str]]:
    known: dict[tuple[str, ...], list[str]] = {}

    def list_available_services(loader: Loader, type_name: str) -> list[str]:
        key = (*loader.search_paths, type_name)
        if key not in known:
            known[key] = look(loader, type_name)
        return known[key]

    return list_available_services


def _kept_inspections(inspect: Callable[[Any], Any]) -> Callable[[Any], Any]:
    known: WeakKeyDictionary[types.FunctionType, Any] = WeakKeyDictionary()

    def accepts_kwargs(handler: Any) -> Any:
        # A bound method is a new object each time it is asked for.
        function = getattr(handler, "__func__", handler)
        if not isinstance(function, types.FunctionType):
            return inspect(handler)
        if function not in known:
            known[function] = inspect(handler)
        return known[function]

    return accepts_kwargs
