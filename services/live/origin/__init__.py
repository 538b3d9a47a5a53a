"""Origin: what gateways ask of a session's owner, and of any replica when there is none."""
