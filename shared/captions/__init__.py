"""Captions: files of people become WebVTT of ours, or are refused. Pure."""
