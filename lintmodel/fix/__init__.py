"""Repairs: what findings offer, made on the user's own file and proven.

Networks are rewritten here (:func:`fix_network`), documents in :mod:`lintmodel.fixing`.
"""

from __future__ import annotations

from .network import Applied, FixedNetwork, Refused, fix_network

__all__ = ["Applied", "FixedNetwork", "Refused", "fix_network"]
