"""Auth's routes: sessions, the account, and the key document."""
