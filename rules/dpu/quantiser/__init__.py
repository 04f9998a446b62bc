"""The configuration file of vai_q_pytorch: read as the quantiser reads it, checked, and mended."""
