"""The decider of transcodes: state, events and what may follow. Pure."""
