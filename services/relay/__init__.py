"""The relay: stamps the log's global order and publishes it to the broker.

It owns no table and no event. Several may run; one leads.
"""
