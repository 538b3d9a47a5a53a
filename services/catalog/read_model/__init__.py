"""Folds events into the tables that the catalog serves; rebuilds and compares them."""
