"""Programs for developers: versions, releases, the API document, checks of a change."""
