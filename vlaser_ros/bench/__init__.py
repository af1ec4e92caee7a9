"""What the stack does under faults, and what it costs: measured with real processes. `vlaser bench faults`, `vlaser bench ros`.

May import anything of `vlaser_ros`; nothing imports it but the commands.
"""
