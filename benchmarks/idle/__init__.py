"""What the whole stack costs while nobody uses it."""
