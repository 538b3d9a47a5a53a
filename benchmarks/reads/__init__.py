"""What reads cost the catalog, and how that grows with what it holds."""
