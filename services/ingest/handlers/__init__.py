"""What ingest does: start, write, complete and end uploads; one module per protocol; the sweep.

The order of the steps makes them safe to repeat: first the row states the intention, then the
bucket follows, then the log, then the row states the result. A process that dies in between leaves
a row from which the next request or the sweep goes on. See docs/decisions/0022.
"""
