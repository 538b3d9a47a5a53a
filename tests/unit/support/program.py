"""A program for the tests of ``forked``: says what it was given, then ends as it was told."""

import json
import os
import sys
import time

if __name__ == "__main__":
    print(json.dumps({"arguments": sys.argv[1:], "env": dict(os.environ), "in": os.getcwd()}))
    sys.stdout.flush()
    if sys.argv[1] == "wait":
        time.sleep(60)
    sys.exit(int(sys.argv[1]))
