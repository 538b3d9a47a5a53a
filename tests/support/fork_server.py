"""The server of ``tests.support.forked``: that of ``make up``, quicker at making S3 clients."""

from deploy.local import fork_server
from tests.support.botocore_models import read_models_once

if __name__ == "__main__":
    # None of the new processes leaves the context.
    with read_models_once():
        fork_server.main()
