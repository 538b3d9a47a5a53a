"""How slowly a body may arrive: a minimum rate over a window, without a timer of its own."""


class Pace:
    """A sender has ``seconds``, loses them while it is waited for and earns them with each byte.

    Who sends ``bytes_per_second`` may take any time; a pause may last ``seconds``. Time in which
    nobody waits for the sender, because what it sent is being stored, costs nothing.
    """

    def __init__(self, bytes_per_second: float, seconds: float) -> None:
        self._rate = bytes_per_second
        self._most = seconds
        self.left = seconds
        """Seconds that the next bytes may take."""

    def arrived(self, size: int, waited: float) -> None:
        """``size`` bytes have come, after ``waited`` seconds."""
        self.left = min(self._most, max(0.0, self.left - waited) + size / self._rate)
