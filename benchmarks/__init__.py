"""Measurements. Every number is a ratio to a named alternative of the same run, or says what machine it is from."""
