"""The benchmark of pain-point detection: worlds with their truth, contenders, scores.

It knows nothing of ``models``; only ``ours.py`` does, the adapter of our own detector. Run it with
``python tests/detection/run.py`` or ``make bench-detection``.
"""
