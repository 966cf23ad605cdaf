"""The commands. Each is a function whose signature is what the command line accepts."""
