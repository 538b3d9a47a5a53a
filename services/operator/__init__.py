"""The reconciler and the command line ``cinelog``, which operators run.

It owns no table and no event. It reads the log and the queues, and asks the services that own a
thing to change it.
"""
