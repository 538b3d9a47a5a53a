"""Auth: who somebody is. It owns accounts, passwords, sessions and the keys that sign tokens.

Emits (streams ``user-<id>``): UserRegistered, EmailChanged, PasswordChanged, SessionRevoked,
UserDeleted. Consumes nothing. E-mail addresses and password hashes stay in its own tables.
"""
