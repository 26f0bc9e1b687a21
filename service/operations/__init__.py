"""What the service does, one file per verb: load, decide, save, answer."""
