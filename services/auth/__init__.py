"""Auth: accounts, passwords, sessions, and the keys that sign access tokens.

Emits (streams ``user-<id>``): UserRegistered, EmailChanged, PasswordChanged, SessionRevoked,
UserDeleted. Consumes nothing. E-mail addresses and password hashes stay in its own tables.
"""
