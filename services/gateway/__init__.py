"""The gateway: every request from outside enters through it.

It finds the route of a request (``request.routes``), identifies the caller, limits requests by
token buckets in Redis, and streams requests and answers between clients and services. It serves
media from object storage and the web client's files itself. It owns no data, and emits and
consumes no events.
"""
