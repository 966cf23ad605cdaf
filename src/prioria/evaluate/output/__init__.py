"""What comes out of the decoder: reconstructions, samples, paths and codes."""
