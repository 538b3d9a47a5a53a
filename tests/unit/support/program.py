"""A program for the tests of ``forked``: says what it was given, then ends as it was told."""

import json
import os
import sys
import time

if __name__ == "__main__":
    print(json.dumps({"arguments": sys.argv[1:], "env": dict(os.environ), "in": os.getcwd()}))
    sys.stdout.flush()
    if "loud" in sys.argv:
        sys.stderr.write("an error\n")
    if sys.argv[1] == "wait":
        time.sleep(60)
    if sys.argv[1] == "busy":
        while time.process_time() < 0.3:
            pass
        sys.exit(0)
    sys.exit(int(sys.argv[1]))
