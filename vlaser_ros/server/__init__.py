"""The parts of `vlaser_server`: synchronised views, the execute loop, the reasoning services."""
