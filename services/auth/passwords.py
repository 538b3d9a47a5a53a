"""Password hashes (argon2id), and the passwords that are refused.

Hashing is expensive by design, so it runs in a thread per core. Callers take turns at the threads,
and one of them leaves a thread to the others. Who has many hashes waiting, or comes when very many
wait, gets an error instead of a long wait.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError
from zxcvbn.frequency_lists import FREQUENCY_LISTS  # pyright: ignore[reportMissingTypeStubs]

from services.auth.domain import MAX_PASSWORD, MIN_PASSWORD, WeakPassword
from shared.errors import Detail, TooManyRequests, Unavailable
from shared.turns import Turns

MEMORY_KIB: Final = 19 * 1024
ITERATIONS: Final = 2
PARALLELISM: Final = 1
"""OWASP Password Storage Cheat Sheet: argon2id with m = 19 MiB, t = 2, p = 1."""

WAITING: Final = 64
WAITING_PER_CALLER: Final = 8
WAIT_SECONDS: Final = 10.0
T = TypeVar("T")


class Passwords:
    """Hashes and verifies. Where ``memory_kib`` or ``iterations`` change, logins rehash."""

    def __init__(self, *, memory_kib: int = MEMORY_KIB, iterations: int = ITERATIONS) -> None:
        self._hasher = PasswordHasher(
            time_cost=iterations, memory_cost=memory_kib, parallelism=PARALLELISM, type=Type.ID
        )
        threads = max(1, os.cpu_count() or 1)
        self._threads = ThreadPoolExecutor(threads, "argon2")
        self._turns = Turns(threads, max(1, threads - 1))
        self._dummy = self._hasher.hash(os.urandom(16).hex())

    async def hash(self, password: str, by: str) -> str:
        """The hash with its salt and parameters; ``by``: whose turn it takes.

        Raises TooManyRequests where this caller has too many waiting, Unavailable where all have.
        """
        return await self._run(by, self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str, by: str) -> bool:
        """Whether ``password`` is the stored one; takes as long for None (no such user).

        Raises what ``hash`` raises.
        """
        matches = await self._run(by, self._matches, stored or self._dummy, password)
        return matches and stored is not None

    def outdated(self, stored: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (Argon2Error, InvalidHashError):
            return False

    async def _run(self, by: str, function: Callable[..., T], *args: str) -> T:
        if self._turns.waiting_of(by) >= WAITING_PER_CALLER:
            raise TooManyRequests("Too many requests at once. Try again soon.", retry_after=2)
        try:
            if self._turns.waiting >= WAITING:
                raise TimeoutError
            await self._turns.wait(by, WAIT_SECONDS)
        except TimeoutError:
            words = "Too many logins at once. Try again in a moment."
            raise Unavailable(words, retry_after=2) from None
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, function, *args)
        finally:
            self._turns.leave(by)


class CommonPasswords:
    """Refuses the 30,000 most common passwords, and a user's own name and address."""

    def __init__(self) -> None:
        self._common = frozenset(word.casefold() for word in FREQUENCY_LISTS["passwords"])

    def check(self, password: str, *, username: str, email: str, field: str = "password") -> None:
        """Raises WeakPassword with the reason."""
        plain = password.casefold()
        problem: str | None = None
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            problem = f"must have {MIN_PASSWORD} to {MAX_PASSWORD} characters"
        elif plain in self._common:
            problem = "is one of the most common passwords"
        elif len(set(plain)) < 3:
            problem = "repeats the same characters"
        elif plain in {username.casefold(), email.casefold(), email.partition("@")[0].casefold()}:
            problem = "is your name or address"
        if problem is not None:
            raise WeakPassword("Choose another password.", [Detail(field, problem)])
