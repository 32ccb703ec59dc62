"""Connections, from one source for both kinds: ``bindings/python/async_to_sync.py`` makes the
blocking half, ``millpond._sync``, of the modules here."""
