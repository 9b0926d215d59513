"""Composes connectors, SQL and models into the nightly steps: pull, build, detect, report."""
