"""The journey, the statistics and the pain points: frames or counts in, dataclasses out."""
