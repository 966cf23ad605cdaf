"""What the latents carry, and how the aggregate posterior stands to the prior."""
