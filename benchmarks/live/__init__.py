"""What lives cost, and how soon they are seen."""
