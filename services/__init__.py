"""The services of Cinelog. None of them imports another."""
