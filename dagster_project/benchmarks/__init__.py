"""Measurements that `linli bench` prints: data made for them, and other tools beside ours, each in its own process.

Only the command reads this room, and no room that works for a chain may need anything of it.
"""
