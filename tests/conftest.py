"""pytest puts the folder of a conftest.py on the path, so tests can import helpers that stand beside this one."""
