"""Botocore's descriptions of S3, read once for all clients instead of anew for each one.

That takes a fifth of a CPU second, in each test that looks at a bucket and in each service.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from botocore.loaders import JSONFileLoader


@contextmanager
def read_models_once() -> Iterator[None]:
    """What has been read is kept while this is entered."""
    known: dict[str, Any] = {}
    read = JSONFileLoader.load_file

    def load_file(loader: JSONFileLoader, path: str) -> Any:
        if path not in known:
            known[path] = read(loader, path)
        return known[path]

    with patch.object(JSONFileLoader, "load_file", load_file):
        yield
