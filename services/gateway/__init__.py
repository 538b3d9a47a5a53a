"""The gateway: the one door through which every request from outside passes.

Owns no data, emits and consumes no events. It routes by the table in `routes`, limits
by token buckets counted in Redis, tells the services who is calling, streams both ways,
and serves media from object storage and the web client's files.
"""
