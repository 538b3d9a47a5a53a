"""Images are tested where there is an engine and they were built: `make test-images`."""

import os

collect_ignore = [] if os.environ.get("CINELOG_TEST_IMAGES") == "1" else ["test_images.py"]
