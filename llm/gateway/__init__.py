"""The data plane: an ASGI core without Django that every model call goes through.

A request walks through one module a step: http reads it, authentication finds its key,
validation refuses what cannot be served, planning chooses who serves, attempts hold,
call and settle, streams relay, answers write back.
"""
