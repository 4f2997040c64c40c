"""The tap: an HTTP proxy in front of any rating engine's agent, which records exchanges and injects faults.

It stands where the agent is expected, so recording and faults work with every engine, and Kamailio meets each fault
where it happens in the field: at the socket.
"""
