"""Measures and reports: how well a model does, and whether it still computes what the published weights expect."""
