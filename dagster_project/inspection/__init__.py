"""What an export is and what can be done with it, before any chain exists: reads files, writes nothing but mappings.

Knows `contracts`, `presets`, `privacy` and `landing`: a file is read, mapped and checked by the very code that lands it.
"""
