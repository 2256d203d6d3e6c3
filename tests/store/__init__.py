"""Tests of the tables and of what reads and writes them."""
