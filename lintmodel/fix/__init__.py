"""Repairs: what findings offer, made on the user's own file and proven.

Networks are rewritten by :func:`lintmodel.fix.network.fix_network`, documents in :mod:`lintmodel.fixing`. Nothing is
imported here: ``check`` asks :mod:`lintmodel.fix.possible` and needs no more.
"""
