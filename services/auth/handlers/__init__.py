"""What people do with their accounts: register, log in, refresh, end sessions, change, delete."""
