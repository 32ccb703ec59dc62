"""Blocking connections. ``bindings/python/async_to_sync.py`` makes the modules here of those in
``millpond._async``: change these instead.
"""
