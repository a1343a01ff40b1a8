"""Linli (邻里): the member warehouse of community fresh-food chains.

Each sub-package is one room with one job; lower rooms never import upper ones:
contracts → config → privacy → lake → landing, sources → warehouse → identity → quality → publish →
activation, reports → simulator, sandbox → orchestration → cli.
"""
