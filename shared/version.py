"""The product's version; ``make version NEW=…`` writes it here and wherever else it stands."""

from typing import Final

VERSION: Final = "0.1.0"
