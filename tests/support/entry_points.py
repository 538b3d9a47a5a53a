"""Starts of a service that its settings stop, without an interpreter of their own for each."""

import io
import os
import runpy
import sys
import warnings
from contextlib import redirect_stderr
from unittest.mock import patch

import pytest


def refused(module: str, *arguments: str, env: dict[str, str]) -> tuple[int, str]:
    """What ``python -m module arguments`` exits with and prints as its error.

    Only for starts that end before the service does anything.
    """
    said = io.StringIO()
    with (
        patch.dict(os.environ, env, clear=True),
        patch.object(sys, "argv", [module, *arguments]),
        redirect_stderr(said),
        warnings.catch_warnings(action="ignore", category=RuntimeWarning),
        pytest.raises(SystemExit) as ended,
    ):
        # It warns that the module was imported before.
        runpy.run_module(module, run_name="__main__")
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.getvalue()
