"""The flow, a file a step: plan, submit, watch, verify, barrier, report.

Each step says what an observation means (events) and what follows from the state (events that are owed).
"""
