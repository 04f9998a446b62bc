"""Capability sheets, one YAML file a chip; lintmodel.target loads them."""
