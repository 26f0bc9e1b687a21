"""The Connect half of the sandbox: connected accounts, and the money they receive and pay out."""
