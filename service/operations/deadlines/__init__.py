"""Deadlines: what happens by itself when its time has come."""
