"""Simulcast: a live sent on to other services, without encoding."""
