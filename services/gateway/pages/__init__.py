"""What browsers and readers of feeds open: the web client, pages of videos, the API document."""
